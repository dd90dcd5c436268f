//! A Rego module, with a bound on its steps.
//!
//! The interpreter is built without its standard library part: it has no clock, no randomness, no network and no
//! environment, and its timer asks a source of time that we give. Ours is no clock either: it counts how often it is
//! asked, once every [`limits::REGO_INTERVAL`] steps, so that the same module over the same attestation always ends the
//! same way. Functions whose one call may take any amount of memory are replaced by ones that refuse.
//!
//! What is not bounded is what one step can build: a module that doubles a text forty times takes the memory of the
//! result. Whoever may write Rego is trusted that far ([`crate::Document::has_rego`]).

use super::{Broken, guarded};
use crate::evaluate::statement::short;
use crate::limits;
use regorus::utils::limits::{ExecutionTimerConfig, TimeSource, set_time_source};
use regorus::{Engine, Value};
use serde_json::{Map, Value as Json};
use std::cell::Cell;
use std::fmt;
use std::sync::Once;
use std::time::Duration;

/// The rules of which one must be true. The second is policy-controller's name.
const ALLOWING: [&str; 2] = ["allow", "isCompliant"];
/// The rule whose members are reasons against.
const DENYING: &str = "deny";
/// Builtins whose result may be larger than memory whatever their arguments, with how many arguments they take.
const REFUSED: [(&str, u8); 4] = [
    ("numbers.range", 2),
    ("numbers.range_step", 3),
    ("bits.lsh", 2),
    ("strings.repeat", 2),
];

/// A compiled module.
#[derive(Clone)]
pub(crate) struct Module {
    engine: Engine,
    /// `data.<package>`.
    package: String,
    allowing: Vec<&'static str>,
    denies: bool,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Module").field(&self.package).finish()
    }
}

impl Module {
    /// Parses it, in Rego 1 or, failing that, in the old language.
    pub(crate) fn compile(source: &str) -> Result<Self, Broken> {
        if source.len() > limits::REGO_BYTES {
            return Err(Broken::new(
                format!("has {} bytes", source.len()),
                format!("write at most {} bytes", limits::REGO_BYTES),
            ));
        }
        Self::read(source, false).or_else(|broken| Self::read(source, true).map_err(|_| broken))
    }

    fn read(source: &str, old: bool) -> Result<Self, Broken> {
        let mut engine = prepared();
        engine.set_rego_v0(old);
        let package = engine
            .add_policy(FILE.to_owned(), source.to_owned())
            .map_err(|error| {
                Broken::new(
                    format!("is not Rego: {}", short(&error.to_string())),
                    "correct the module; it begins with `package NAME`",
                )
            })?;
        let declares =
            |name: &&str| matches!(engine.has_declared_rule_rooted_at(FILE, name), Ok(true));
        let allowing: Vec<&'static str> = ALLOWING.into_iter().filter(declares).collect();
        let denies = declares(&DENYING);
        if allowing.is_empty() && !denies {
            return Err(Broken::new(
                "decides nothing: it has neither `allow` (or `isCompliant`) nor `deny`",
                "add `default allow := false` and a rule `allow if { … }`",
            ));
        }
        Ok(Self {
            engine,
            package,
            allowing,
            denies,
        })
    }

    /// Evaluates it: each of its deciding rules must be true, and nothing may deny. `total` counts down what all
    /// modules may cost together.
    pub(crate) fn check(&self, facts: &Map<String, Json>, total: &mut u64) -> Result<(), Broken> {
        let mut engine = self.engine.clone();
        let input = Json::Object(facts.clone()).to_string();
        let input = Value::from_json_str(&input).map_err(|error| {
            Broken::new(
                format!(
                    "the attestation cannot be given to Rego: {}",
                    short(&error.to_string())
                ),
                "attest with a smaller or flatter predicate",
            )
        })?;
        engine.set_input(input);
        let reasons = self.reasons(&mut engine, total)?;
        if !reasons.is_empty() {
            return Err(Broken::new(
                format!("`{DENYING}` says: {}", short(&reasons.join("; "))),
                "look at the attestation: it says what the rule denies",
            ));
        }
        for name in &self.allowing {
            self.require(&mut engine, name, total)?;
        }
        Ok(())
    }

    fn require(&self, engine: &mut Engine, name: &str, total: &mut u64) -> Result<(), Broken> {
        match self.evaluate(engine, name, total)? {
            Value::Bool(true) => Ok(()),
            // policy-controller's other form: {"result": true, …}.
            Value::Object(object)
                if object.get(&Value::from("result")) == Some(&Value::Bool(true)) =>
            {
                Ok(())
            }
            Value::Bool(false) | Value::Undefined => Err(Broken::new(
                format!("`{name}` is not true"),
                "look at the attestation: it does not say what the rule asks for",
            )),
            _ => Err(Broken::new(
                format!("`{name}` is neither true nor false"),
                format!("write `{name} if {{ … }}`"),
            )),
        }
    }

    /// What `deny` holds.
    fn reasons(&self, engine: &mut Engine, total: &mut u64) -> Result<Vec<String>, Broken> {
        const SHOWN: usize = 10;
        if !self.denies {
            return Ok(Vec::new());
        }
        let text = |value: &Value| match value {
            Value::String(text) => text.to_string(),
            other => short(&other.to_string()),
        };
        match self.evaluate(engine, DENYING, total)? {
            Value::Set(reasons) => Ok(reasons.iter().take(SHOWN).map(text).collect()),
            Value::Array(reasons) => Ok(reasons.iter().take(SHOWN).map(text).collect()),
            Value::Bool(false) | Value::Undefined => Ok(Vec::new()),
            other => Ok(vec![text(&other)]),
        }
    }

    fn evaluate(&self, engine: &mut Engine, name: &str, total: &mut u64) -> Result<Value, Broken> {
        let limit = limits::REGO_INTERVALS.min(*total);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: Duration::from_millis(limit),
            check_interval: limits::REGO_INTERVAL,
        });
        ASKED.set(0);
        let value = guarded(|| engine.eval_rule(format!("{}.{name}", self.package)))?;
        let asked = ASKED.get();
        *total = total.saturating_sub(asked);
        // Whatever came of it: an error may have been taken for "undefined" on the way.
        if asked > limit {
            return Err(Broken::new(
                format!("`{name}` takes more steps than any rule should"),
                "look at fewer values: avoid combining large lists",
            ));
        }
        value.map_err(|error| {
            Broken::new(
                format!(
                    "`{name}` cannot be evaluated: {}",
                    short(&error.to_string())
                ),
                "correct the module",
            )
        })
    }
}

/// What errors call the module.
const FILE: &str = "policy.rego";

thread_local! {
    /// How often the timer asked during the evaluation under way.
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// Counts as milliseconds how often it is asked.
struct Steps;

impl TimeSource for Steps {
    fn now(&self) -> Option<Duration> {
        let asked = ASKED.get().saturating_add(1);
        ASKED.set(asked);
        Some(Duration::from_millis(asked))
    }
}

/// An engine with its budget, and without what could take all memory at once.
fn prepared() -> Engine {
    static TIME: Once = Once::new();
    TIME.call_once(|| {
        // Refused only when another is set, and nobody else in this program sets one. Without any, the interpreter
        // would not count at all; the test that a long module ends would then not.
        let _ = set_time_source(&Steps);
    });
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    for (name, arguments) in REFUSED {
        // Refused only when it is added twice.
        let _ = engine.add_extension(
            name.to_owned(),
            arguments,
            Box::new(move |_: Vec<Value>| {
                Err(anyhow::anyhow!("{name} is not available in policies"))
            }),
        );
    }
    engine
}

#[cfg(test)]
mod tests;
