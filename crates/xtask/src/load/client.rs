//! One keep-alive HTTP/1.1 connection, opened again when it broke.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A request as it goes on the wire. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    path: Uri,
    body: Bytes,
}

impl Call {
    pub(crate) fn post(path: &str, body: Bytes) -> Result<Self> {
        let path = path.parse().with_context(|| format!("path {path}"))?;
        Ok(Self {
            method: Method::POST,
            path,
            body,
        })
    }

    pub(crate) fn get(path: &str) -> Result<Self> {
        let path = path.parse().with_context(|| format!("path {path}"))?;
        Ok(Self {
            method: Method::GET,
            path,
            body: Bytes::new(),
        })
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A connection to one server.
pub(crate) struct Client {
    /// `host:port`
    address: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Connects with the first request. `url` is `http://host:port`.
    pub(crate) fn new(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        Self {
            address: address.to_owned(),
            connection: None,
        }
    }

    /// Sends one request and reads the answer. After an error the next call opens a new connection.
    pub(crate) async fn send(&mut self, call: Call) -> Result<Answer> {
        let answer = self.exchange(call).await;
        if answer.is_err() {
            self.reset();
        }
        answer
    }

    /// Closes the connection, for a caller that does not wait for its answer any more.
    pub(crate) fn reset(&mut self) {
        self.connection = None;
    }

    async fn exchange(&mut self, call: Call) -> Result<Answer> {
        let request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(call.body))?;
        let connection = self.connect().await?;
        connection.ready().await?;
        let (head, body) = connection.send_request(request).await?.into_parts();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    async fn connect(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        let open = match self.connection.take() {
            Some(open) if !open.is_closed() => open,
            _ => {
                let stream = TcpStream::connect(&self.address).await?;
                stream.set_nodelay(true)?;
                let (open, driver) = http1::handshake(TokioIo::new(stream)).await?;
                tokio::spawn(driver);
                open
            }
        };
        Ok(self.connection.insert(open))
    }
}
