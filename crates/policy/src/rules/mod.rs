//! Rules on what an attestation says. Each must hold; one that errs, costs too much or is not true is broken.

mod cel;
mod facts;
mod rego;

use crate::error::{Problems, item, member};
use crate::evaluate::Miss;
use crate::limits;
use cel::Expression;
use formats::bundle::Bundle;
use rego::Module;
use std::panic::{AssertUnwindSafe, catch_unwind};
use verifier::Report;

/// The rules of one required attestation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    cel: Vec<Expression>,
    rego: Option<Module>,
}

/// What rules of one evaluation have left, over all bundles: many rules over many bundles multiply.
#[derive(Debug)]
pub(crate) struct Work {
    cel: u64,
    rego: u64,
    bytes: usize,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            cel: limits::TOTAL_CEL_WORK,
            rego: limits::TOTAL_REGO_INTERVALS,
            bytes: limits::TOTAL_RULE_INPUT_BYTES,
        }
    }
}

/// Runs code of an interpreter that we did not write, on a text that somebody else did: a panic in it is a broken rule.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, Broken> {
    // Nothing that the closures touch outlives a panic: values are rebuilt, budgets set anew.
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        Broken::new(
            "the interpreter gave up on it",
            "write the rule another way, and report this as a bug",
        )
    })
}

/// Why a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) cause: String,
    pub(crate) cure: String,
}

impl Broken {
    pub(crate) fn new(cause: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            cure: cure.into(),
        }
    }

    fn at(self, path: String) -> Miss {
        Miss {
            path,
            cause: self.cause,
            cure: self.cure,
        }
    }
}

impl Rules {
    pub(crate) fn compile(
        path: &str,
        cel: &[String],
        rego: Option<&str>,
        problems: &mut Problems,
    ) -> Self {
        let list = member(path, "cel");
        if cel.len() > limits::CEL_RULES {
            problems.add(
                list.as_str(),
                format!("has {} expressions", cel.len()),
                format!("write at most {}", limits::CEL_RULES),
            );
        }
        let mut rules = Self::default();
        for (position, source) in cel.iter().take(limits::CEL_RULES).enumerate() {
            match guarded(|| Expression::compile(source)).flatten() {
                Ok(expression) => rules.cel.push(expression),
                Err(broken) => problems.add(item(&list, position), broken.cause, broken.cure),
            }
        }
        match rego.map(|source| guarded(|| Module::compile(source)).flatten()) {
            Some(Ok(module)) => rules.rego = Some(module),
            Some(Err(broken)) => problems.add(member(path, "rego"), broken.cause, broken.cure),
            None => {}
        }
        rules
    }

    fn is_empty(&self) -> bool {
        self.cel.is_empty() && self.rego.is_none()
    }

    /// Says which rules a verified attestation breaks.
    pub(crate) fn check(
        &self,
        bundle: &Bundle,
        report: &Report,
        path: &str,
        work: &mut Work,
    ) -> Vec<Miss> {
        if self.is_empty() {
            return Vec::new();
        }
        let facts = match facts::gather(bundle, report, &mut work.bytes) {
            Ok(facts) => facts,
            Err(broken) => return vec![broken.at(path.to_owned())],
        };
        let list = member(path, "cel");
        let mut misses = Vec::new();
        if !self.cel.is_empty() {
            let variables = cel::Variables::new(&facts);
            for (position, expression) in self.cel.iter().enumerate() {
                if let Err(broken) = expression.check(&variables, &mut work.cel) {
                    misses.push(broken.at(item(&list, position)));
                }
            }
        }
        if let Some(Err(broken)) = self
            .rego
            .as_ref()
            .map(|module| module.check(&facts, &mut work.rego))
        {
            misses.push(broken.at(member(path, "rego")));
        }
        misses
    }
}
