//! `sigstead trust list`: which trusted roots there are, and when what they vouch by ends. Opens no socket.

use super::{configured, print, rfc3339};
use crate::cli::trust::ListArgs;
use crate::compose::verifier::repository;
use crate::exit::{Failure, Outcome};
use crate::serve::config::{RootConfig, RootSource};
use crate::trust_files::TRUSTED_ROOT_FILE;
use anyhow::Result;
use clock::Clock;
use serde::Serialize;
use std::fmt::Write as _;
use time::OffsetDateTime;
use trust::{Builder, DEFAULT, Roots, SIGSTORE, SourceKind};
use verifier::{Anchor, printable};

/// Digits of an ID that tell keys apart for people.
const SHORT_ID: usize = 12;

pub(super) fn run(args: &ListArgs) -> Result<Outcome, Failure> {
    let now = Clock::system().now();
    let roots = all(args, now).map_err(Failure::Usage)?;
    let usable = roots.iter().all(|root| root.problem.is_none());
    let listed = Listed { roots };
    if args.json {
        let text = serde_json::to_string_pretty(&listed);
        print(&text.map_err(|error| Failure::Failed(error.into()))?);
    } else {
        print(listed.to_text(now).trim_end());
    }
    Ok(match usable {
        true => Outcome::Success,
        false => Outcome::NotVerified,
    })
}

/// The JSON form is stable: members are only added.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(rename = "trustedRoots")]
    roots: Vec<Line>,
}

/// One root.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: String,
    source: SourceKind,
    /// File, or URL of the repository.
    place: String,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(flatten)]
    content: Option<Content>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    /// `sha256:` and the digest of its JSON.
    digest: String,
    /// When it was read, or fetched.
    loaded_at: String,
    /// When the TUF timestamp ends that vouches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Whether that is over.
    stale: bool,
    anchors: Vec<Life>,
    /// Logs that are set aside, because their key algorithm is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

/// A key or chain, and how long it lives.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Life {
    list: String,
    name: String,
    id: String,
    from: String,
    /// When it was taken out of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// When the first certificate of its chain ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificates_until: Option<String>,
    /// The first of these two.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    /// Until then; negative when it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    days_left: Option<i64>,
}

fn all(args: &ListArgs, now: OffsetDateTime) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    match &args.config {
        Some(path) => {
            for root in configured(path)? {
                lines.push(of_config(&root, now)?);
            }
        }
        None => {
            let path = args.data.data_dir.join("trust").join(TRUSTED_ROOT_FILE);
            if path.exists() {
                let builder = Roots::builder().file(DEFAULT, &path);
                let place = path.display().to_string();
                lines.push(line((DEFAULT, SourceKind::File, place), builder, now));
            }
        }
    }
    // As the verifier service has it: embedded, unless its name is taken.
    if lines.iter().all(|line| line.name != SIGSTORE) {
        let builder = Roots::builder().embedded();
        let place = "this program".to_owned();
        lines.push(line((SIGSTORE, SourceKind::Embedded, place), builder, now));
    }
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(lines)
}

fn of_config(root: &RootConfig, now: OffsetDateTime) -> Result<Line> {
    let name = root.name.as_str();
    Ok(match &root.source {
        RootSource::File(path) => {
            let builder = Roots::builder().file(name, path);
            let place = path.display().to_string();
            line((name, SourceKind::File, place), builder, now)
        }
        RootSource::Tuf { url, .. } => match repository(root)? {
            // Without its interval: what is in the folder, and no socket.
            Some(tuf) => {
                let builder = Roots::builder().tuf(name, tuf);
                line((name, SourceKind::Tuf, url.clone()), builder, now)
            }
            None => anyhow::bail!("trusted root {name} is not from TUF"),
        },
    })
}

/// Reads one root alone: one that cannot be used does not hide the others.
fn line(
    (name, source, place): (&str, SourceKind, String),
    builder: Builder,
    now: OffsetDateTime,
) -> Line {
    let metrics = prometheus::Registry::new();
    // Files alone: the future never waits.
    let built = futures::executor::block_on(builder.build(Clock::system(), &metrics));
    let (problem, content) = match &built {
        Ok(roots) => (None, content(roots, name, now)),
        Err(error) => (Some(error.to_string()), None),
    };
    Line {
        name: name.to_owned(),
        source,
        place,
        problem,
        content,
    }
}

fn content(roots: &Roots, name: &str, now: OffsetDateTime) -> Option<Content> {
    let status = roots.list().into_iter().next()?;
    let anchors = roots.get(name)?.material().anchors();
    Some(Content {
        digest: format!("sha256:{}", hex::encode(status.digest)),
        loaded_at: rfc3339(status.loaded_at),
        expires: status.expires.map(rfc3339),
        stale: status.stale,
        anchors: anchors.iter().map(|anchor| life(anchor, now)).collect(),
        ignored: status.ignored,
    })
}

fn life(anchor: &Anchor, now: OffsetDateTime) -> Life {
    Life {
        list: anchor.list.to_string(),
        name: anchor.name.clone(),
        id: anchor.id.clone(),
        from: rfc3339(anchor.from),
        until: anchor.until.map(rfc3339),
        certificates_until: anchor.certificates_until.map(rfc3339),
        end: anchor.end().map(rfc3339),
        days_left: anchor.end().map(|end| (end - now).whole_days()),
    }
}

impl Listed {
    /// Writing to a String cannot fail.
    fn to_text(&self, now: OffsetDateTime) -> String {
        let mut text = String::new();
        for root in &self.roots {
            let kind = match root.source {
                SourceKind::Embedded => "embedded in",
                SourceKind::File => "file",
                SourceKind::Tuf => "TUF",
            };
            let _ = writeln!(text, "{}: {kind} {}", root.name, printable(&root.place));
            if let Some(problem) = &root.problem {
                let _ = writeln!(text, "  cannot be used: {}", printable(problem));
            }
            if let Some(content) = &root.content {
                content.write(&mut text);
            }
            text.push('\n');
        }
        let _ = write!(text, "as of {}", rfc3339(now));
        text
    }
}

impl Content {
    fn write(&self, text: &mut String) {
        if let Some(expires) = &self.expires {
            let stale = match self.stale {
                true => ", which is over: run `sigstead trust update`",
                false => "",
            };
            let _ = writeln!(
                text,
                "  fetched {}, good until {expires}{stale}",
                self.loaded_at
            );
        }
        for one in &self.anchors {
            let id: String = one.id.chars().take(SHORT_ID).collect();
            let end = match (&one.end, one.days_left) {
                (Some(end), Some(days)) if days < 0 => format!("ended {end}"),
                (Some(end), Some(days)) => format!("until {end} ({days} days)"),
                _ => "no end".to_owned(),
            };
            let _ = writeln!(
                text,
                "  {:<22} {id} from {} {end}  {}",
                one.list,
                one.from,
                printable(&one.name)
            );
        }
        for one in &self.ignored {
            let _ = writeln!(text, "  set aside: {}", printable(one));
        }
    }
}
