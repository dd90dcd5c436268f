//! The running verifier: what it works with, and how a request becomes an answer.

use crate::cache::{Detail, Verdict};
use crate::engine::{Answered, Engine};
use crate::error::ApiError;
use crate::image::{ImageQuestion, Registries};
use crate::metrics::Metrics;
use crate::policies::Policies;
use crate::pool::{Place, Pool};
use crate::question::{Question, Wish, parse};
use crate::upload;
use crate::vsa::{Summarizer, Summary, artifact_uri, digest, image_uri};
use crate::wire::{
    BatchAnswer, BatchRequest, BatchResult, CheckAnswer, ImageAnswer, ImageRequest, PoliciesAnswer,
    RootStatus, RootsAnswer, SuggestAnswer, SuggestRequest, VerifyAnswer, VerifyRequest,
};
use crate::{advice, api, limits};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use clock::Clock;
use futures::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use prometheus::Registry;
use serde_json::value::RawValue;
use service::deadline::Deadline;
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use trust::{Roots, Status};

/// Settings of a verifier.
#[derive(Clone, Debug)]
pub struct Config {
    /// Verifications at once: the cores of the machine.
    pub cores: usize,
    /// Requests that may wait for a core, for each core; behind them callers are sent away with 503.
    pub waiting: usize,
    /// Bytes of an uploaded artifact.
    pub max_artifact: u64,
    /// Registries that callers may have asked about images.
    pub registries: Registries,
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism();
        Self {
            cores: cores.map_or(1, usize::from),
            waiting: limits::WAITING_PER_CORE,
            max_artifact: limits::ARTIFACT_BYTES,
            registries: Registries::default(),
        }
    }
}

/// What a verifier works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Trusted roots by name.
    pub roots: Roots,
    /// Policies by name.
    pub policies: Policies,
    /// Says when verdicts are reached.
    pub clock: Clock,
    /// Takes the metrics.
    pub registry: Registry,
    /// Signs verification summaries; without it there are none.
    pub summarizer: Option<Summarizer>,
}

/// Why a verifier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Metrics of that name are there already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A running verifier. Cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    engine: Engine,
    pool: Pool,
    roots: Roots,
    policies: Policies,
    pub(crate) metrics: Metrics,
    summarizer: Option<Summarizer>,
    max_artifact: u64,
    registries: Registries,
    clock: Clock,
}

/// Builds a verifier.
///
/// # Errors
/// When its metrics are registered already.
pub fn build(config: Config, deps: Deps) -> Result<Verifier, BuildError> {
    let inner = Inner {
        engine: Engine::new(deps.clock.clone()),
        clock: deps.clock,
        pool: Pool::new(config.cores, config.waiting),
        roots: deps.roots,
        policies: deps.policies,
        metrics: Metrics::register(&deps.registry)?,
        summarizer: deps.summarizer,
        max_artifact: config.max_artifact,
        registries: config.registries,
    };
    Ok(Verifier {
        inner: Arc::new(inner),
    })
}

/// A verdict, and what a summary of it says.
struct Done {
    answered: Answered,
    wish: Wish,
    sha256: [u8; 32],
    bundle: [u8; 32],
    /// SHA-256 of the demand's canonical JSON.
    demand: [u8; 32],
}

impl Verifier {
    /// Every route, from the root of the authority: none collides with another role's.
    pub fn router(&self) -> Router {
        api::router(self.clone())
    }

    /// Whether it can answer: it has a root.
    ///
    /// # Errors
    /// When there is no trusted root to verify with.
    pub fn check(&self) -> Result<(), String> {
        match self.inner.roots.names().next() {
            Some(_) => Ok(()),
            None => Err("there is no trusted root".to_owned()),
        }
    }

    /// One question, as JSON or as a form.
    pub(crate) async fn verify(&self, request: Request) -> Result<VerifyAnswer, ApiError> {
        let inner = &self.inner;
        let content_type = content_type(request.headers());
        let done = if content_type.starts_with(upload::FORM) {
            let _held = inner.pool.upload()?;
            let deadline = request.extensions().get::<Deadline>().cloned();
            let body = request.into_body();
            let known = (&inner.roots, &inner.policies);
            let max = inner.max_artifact;
            let read = upload::read(&content_type, body, max, known, deadline.as_ref());
            let (question, wish) = read.await?;
            let place = inner.pool.place()?;
            self.run(&place, move |inner| inner.answer(question, wish))
                .await?
        } else {
            let body = json_body(request).await?;
            let place = inner.pool.place()?;
            self.run(&place, move |inner| inner.answer_json(&body))
                .await?
        };
        self.finish(done).await
    }

    /// Several questions. The batch has one place; its questions share the cores with everyone's.
    pub(crate) async fn batch(&self, request: Request) -> Result<BatchAnswer, ApiError> {
        let body = json_body(request).await?;
        let place = self.inner.pool.place()?;
        let batch: BatchRequest = self.run(&place, move |_| parse(&body)).await?;
        if batch.requests.len() > limits::BATCH {
            let message = format!("it has more than {} members", limits::BATCH);
            let cure = format!("send at most {} at once", limits::BATCH);
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(ApiError::new(status, "too-large", message, cure).at("requests"));
        }
        let members = batch.requests.into_iter();
        let members = members.map(|member| self.member(member, &place));
        let results: Vec<BatchResult> = stream::iter(members)
            .buffered(self.inner.pool.width())
            .collect()
            .await;
        let verified = |result: &BatchResult| result.answer.as_ref().is_some_and(|a| a.verified);
        // Nothing asked is nothing verified.
        Ok(BatchAnswer {
            all_verified: !results.is_empty() && results.iter().all(verified),
            results,
        })
    }

    /// One question of a batch: whatever becomes of it, the others are answered.
    async fn member(&self, member: Box<RawValue>, place: &Place) -> BatchResult {
        let work = move |inner: &Inner| inner.answer_json(member.get().as_bytes());
        let answer = match self.run(place, work).await {
            Ok(done) => self.finish(done).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => BatchResult {
                status: StatusCode::OK.as_u16(),
                answer: Some(answer),
                error: None,
            },
            Err(error) => BatchResult {
                status: error.status.as_u16(),
                answer: None,
                error: Some(error.body),
            },
        }
    }

    /// One question about an image: fetched with the caller's patience, judged on a core.
    pub(crate) async fn image(&self, request: Request) -> Result<ImageAnswer, ApiError> {
        let inner = &self.inner;
        let body = json_body(request).await?;
        let place = inner.pool.place()?;
        let read = move |inner: &Inner| {
            let request: ImageRequest = parse(&body)?;
            inner.check_vsa(request.vsa)?;
            let known = (&inner.roots, &inner.policies);
            let question = ImageQuestion::read(&request, &inner.registries, known)?;
            Ok((question, request))
        };
        let (question, request) = self.run(&place, read).await?;
        drop(place);
        // Held to the end: what was fetched is in memory until it is judged.
        let _held = inner.pool.image()?;
        let found = question.fetch().await?;
        let place = inner.pool.place()?;
        let judge = move |inner: &Inner| {
            let judged = question.judge(&found, inner.clock.now())?;
            Ok((judged, question))
        };
        let (judged, question) = self.run(&place, judge).await?;
        let mut answer = judged.answer;
        inner.metrics.verdict(answer.verified, false);
        if request.vsa && answer.verified {
            let summary = Summary {
                resource_uri: &image_uri(&request.image, &answer.digest),
                sha256: judged.sha256,
                verified_at: judged.at,
                policy_name: answer.policy.as_ref().map(|policy| policy.name.as_str()),
                policy_sha256: digest(&question.demand.canonical),
                bundles: &judged.bundles,
            };
            answer.vsa = self.summary(&summary).await?;
        }
        Ok(answer)
    }

    /// What is wrong with a policy, or weak in it.
    pub(crate) async fn check_policy(&self, request: Request) -> Result<CheckAnswer, ApiError> {
        let body = json_body(request).await?;
        let place = self.inner.pool.place()?;
        self.run(&place, move |_| advice::check(&parse(&body)?))
            .await
    }

    /// The narrowest policy for a bundle.
    pub(crate) async fn suggest_policy(&self, request: Request) -> Result<SuggestAnswer, ApiError> {
        let body = json_body(request).await?;
        let place = self.inner.pool.place()?;
        let suggest = move |inner: &Inner| {
            let request: SuggestRequest = parse(&body)?;
            advice::suggest(request, &inner.roots, inner.clock.now())
        };
        self.run(&place, suggest).await
    }

    /// Signs a summary; none without a key.
    async fn summary(&self, summary: &Summary<'_>) -> Result<Option<Box<RawValue>>, ApiError> {
        let Some(summarizer) = &self.inner.summarizer else {
            return Ok(None);
        };
        let signed = summarizer.sign(summary).await.map_err(|error| {
            tracing::error!(%error, "no verification summary");
            ApiError::internal()
        })?;
        let signed = RawValue::from_string(signed).map_err(|_| ApiError::internal())?;
        Ok(Some(signed))
    }

    /// The configured policies.
    pub(crate) fn policies(&self) -> PoliciesAnswer {
        PoliciesAnswer {
            policies: self.inner.policies.list(),
        }
    }

    /// The trusted roots.
    pub(crate) fn trusted_roots(&self) -> RootsAnswer {
        let roots = self.inner.roots.list();
        RootsAnswer {
            trusted_roots: roots.into_iter().map(root_status).collect(),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        place: &Place,
        work: impl FnOnce(&Inner) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let inner = self.inner.clone();
        self.inner.pool.run(place, move || work(&inner)).await?
    }

    /// Counts the verdict, and signs a summary of a positive one when it was asked for.
    async fn finish(&self, done: Done) -> Result<VerifyAnswer, ApiError> {
        let Answered { verdict, cached } = &done.answered;
        self.inner.metrics.verdict(verdict.verified, *cached);
        let mut answer = to_answer(verdict, *cached);
        // Never for a negative verdict: a summary says PASSED and nothing else.
        if done.wish.vsa && verdict.verified {
            let default_uri = artifact_uri(&done.sha256);
            let summary = Summary {
                resource_uri: done.wish.resource_uri.as_deref().unwrap_or(&default_uri),
                sha256: done.sha256,
                verified_at: verdict.at,
                policy_name: verdict.policy.as_ref().map(|policy| policy.name.as_str()),
                policy_sha256: done.demand,
                bundles: &[done.bundle],
            };
            answer.vsa = self.summary(&summary).await?;
        }
        Ok(answer)
    }
}

impl Inner {
    fn answer_json(&self, json: &[u8]) -> Result<Done, ApiError> {
        let request: VerifyRequest = parse(json)?;
        let (question, wish) = request.question(&self.roots, &self.policies)?;
        self.answer(question, wish)
    }

    /// A summary that nobody can sign is refused before anything is verified.
    fn check_vsa(&self, wanted: bool) -> Result<(), ApiError> {
        if wanted && self.summarizer.is_none() {
            return Err(ApiError::unreadable(
                "vsa",
                "this verifier has no key for verification summaries",
                "leave vsa out, or have the operator set verifier.key and verifier.id",
            ));
        }
        Ok(())
    }

    fn answer(&self, question: Question, wish: Wish) -> Result<Done, ApiError> {
        self.check_vsa(wish.vsa)?;
        Ok(Done {
            answered: self.engine.answer(&question)?,
            sha256: question.subject.sha256(),
            bundle: digest(&question.bundle),
            demand: digest(&question.demand.canonical),
            wish,
        })
    }
}

fn to_answer(verdict: &Verdict, cached: bool) -> VerifyAnswer {
    let (report, evaluation) = match verdict.detail.clone() {
        Detail::Report(json) => (Some(json), None),
        Detail::Evaluation(json) => (None, Some(json)),
    };
    VerifyAnswer {
        verified: verdict.verified,
        reasons: verdict.reasons.clone(),
        verified_at: show(verdict.at),
        valid_until: verdict.until.map(show),
        cached,
        trusted_roots: verdict.roots.clone(),
        policy: verdict.policy.clone(),
        report,
        evaluation,
        vsa: None,
    }
}

fn root_status(status: Status) -> RootStatus {
    // Why a root is stale may name files and hosts of the operator: that is for the log.
    RootStatus {
        name: status.name,
        source: status.source,
        digest: format!("sha256:{}", hex::encode(status.digest)),
        loaded_at: show(status.loaded_at),
        expires: status.expires.map(show),
        stale: status.stale,
        counts: status.counts,
        ignored: status.ignored,
    }
}

pub(crate) fn show(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    // Lower case for the type alone: the boundary behind it is as it is.
    let value = value.unwrap_or_default();
    match value.split_once(';') {
        Some((kind, rest)) => format!("{};{rest}", kind.to_ascii_lowercase()),
        None => value.to_ascii_lowercase(),
    }
}

/// The body of a JSON request.
pub(crate) async fn json_body(request: Request) -> Result<Bytes, ApiError> {
    let kind = content_type(request.headers());
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "the body is of another type",
            "send application/json, or multipart/form-data to /api/v1/verify",
        )
        .at("content-type"));
    }
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let limit = limits::JSON_BODY_BYTES;
    if length.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        return Err(ApiError::too_large("body", limit));
    }
    collect(request.into_body(), limit).await
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large("body", limit)),
        Err(_) => Err(ApiError::unreadable(
            "body",
            "it ended early",
            "send it again",
        )),
    }
}
