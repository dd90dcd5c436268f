//! A proxy before the database server that loses commits or their answers.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;

/// Stands in every checkpoint before the name of a signature, and nowhere else in what is sent to a log's store: a message
/// with it is a commit.
const COMMIT: &[u8] = "\u{2014} ".as_bytes();
/// One commit in so many is stored and its answer lost.
const ANSWER_LOST: u64 = 7;
/// One commit in so many is lost.
const COMMIT_LOST: u64 = 11;

/// How many commits met which fate.
#[derive(Debug, Default)]
pub(super) struct Fates {
    commits: AtomicU64,
    pub(super) answers_lost: AtomicU64,
    pub(super) commits_lost: AtomicU64,
}

/// A running proxy; ends when dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) fates: Arc<Fates>,
    _runtime: Runtime,
}

impl Proxy {
    /// Starts a proxy before the server with this Unix socket.
    pub(super) fn start(socket: PathBuf) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr().context("the proxy's address")?;
        let fates = Arc::new(Fates::default());
        let shared = fates.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (socket, fates) = (socket.clone(), shared.clone());
                tokio::spawn(async move {
                    if let Ok(server) = UnixStream::connect(&socket).await {
                        // Whatever ends one side ends both.
                        let _ = relay(client, server, &fates).await;
                    }
                });
            }
        });
        Ok(Self {
            address,
            fates,
            _runtime: runtime,
        })
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: UnixStream,
    fates: &Fates,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut deaf = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let sent = &up[..read?];
                if sent.is_empty() {
                    return Ok(());
                }
                if sent.windows(COMMIT.len()).any(|window| window == COMMIT) {
                    let number = fates.commits.fetch_add(1, Ordering::Relaxed) + 1;
                    if number.is_multiple_of(COMMIT_LOST) {
                        fates.commits_lost.fetch_add(1, Ordering::Relaxed);
                        return Ok(());
                    }
                    deaf = deaf || number.is_multiple_of(ANSWER_LOST);
                }
                server.write_all(sent).await?;
            }
            read = server.read(&mut down) => {
                let answered = &down[..read?];
                if deaf {
                    // The server sends its answer after the commit.
                    fates.answers_lost.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                if answered.is_empty() {
                    return Ok(());
                }
                client.write_all(answered).await?;
            }
        }
    }
}
