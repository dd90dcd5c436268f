//! The budget of one evaluation: what `@spend` takes from, and `matches` with it.
//!
//! The interpreter's functions are plain functions, so the budget of the evaluation under way stands in a
//! thread-local. [`limited`] is the only way in, and leaves nothing behind.

use crate::limits;
use cel::common::types::{self, CelBool, CelBytes, CelList, CelMap, CelString};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};
use regex::{Regex, RegexBuilder};
use std::cell::{Cell, RefCell};

/// No expression can write this name.
pub(super) const SPEND: &str = "@spend";
/// The same for what a loop runs over.
pub(super) const LOOP: &str = "@loop";
/// A turn binds a copy of the member to a name: dearer than looking at it.
const UNITS_PER_TURN: u64 = 8;
/// A text costs one unit and one more for each so many bytes.
const BYTES_PER_UNIT: usize = 32;

thread_local! {
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
    static PATTERNS: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
}

/// Runs an evaluation with a fresh budget; gives what is left of it, nothing when it went over.
pub(super) fn limited<T>(limit: u64, evaluate: impl FnOnce() -> T) -> (T, Option<u64>) {
    LEFT.set(Some(limit));
    let result = evaluate();
    let left = LEFT.replace(None);
    PATTERNS.with_borrow_mut(Vec::clear);
    (result, left)
}

/// Declares `@spend`, and `matches` with bounded patterns.
pub(super) fn declare(env: &mut Env) {
    // The names are new to the standard library, so that neither can be refused; if one were, expressions that need it
    // would err, and so be broken.
    let _ = env.add_overload(SPEND, "spend", vec![types::DYN_TYPE], spend);
    let _ = env.add_overload(LOOP, "loop", vec![types::DYN_TYPE], spend_loop);
    let _ = env.add_member_overload(
        "matches",
        "matches_string",
        types::STRING_TYPE,
        vec![types::STRING_TYPE],
        matches,
    );
    let _ = env.add_overload(
        "matches",
        "matches",
        vec![types::STRING_TYPE, types::STRING_TYPE],
        matches,
    );
}

/// Passes its argument on, and takes its weight.
fn spend<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    take(args, weigh)
}

/// Passes what a loop runs over on, and takes the weight of all its turns.
fn spend_loop<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    take(args, |value, left| {
        let list = value
            .downcast_ref::<CelList>()
            .map(|list| list.inner().len());
        let map = value.downcast_ref::<CelMap>().map(|map| map.inner().len());
        let turns = u64::try_from(list.or(map).unwrap_or_default()).ok()?;
        weigh(value, left.checked_sub(turns.checked_mul(UNITS_PER_TURN)?)?)
    })
}

fn take<'b, 'v>(
    mut args: Vec<CowVal<'b, 'v>>,
    weigh: impl Fn(&dyn Val, u64) -> Option<u64>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.pop().ok_or_else(over)?;
    let left = LEFT.get().ok_or_else(over)?;
    let left = weigh(value.as_ref(), left);
    LEFT.set(left);
    left.ok_or_else(over)?;
    Ok(value)
}

fn over() -> ExecutionError {
    ExecutionError::function_error(SPEND, "the budget is spent")
}

/// What is left after a value; stops as soon as nothing is.
fn weigh(value: &dyn Val, left: u64) -> Option<u64> {
    let left = left.checked_sub(1)?;
    if let Some(text) = value.downcast_ref::<CelString>() {
        return left.checked_sub(bytes(text.inner().len()));
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list
            .inner()
            .iter()
            .try_fold(left, |left, item| weigh(item.as_ref(), left));
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        return map.inner().iter().try_fold(left, |left, (key, value)| {
            weigh(value.as_ref(), weigh(key.inner(), left)?)
        });
    }
    match value.downcast_ref::<CelBytes>() {
        Some(blob) => left.checked_sub(bytes(blob.inner().len())),
        None => Some(left),
    }
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count / BYTES_PER_UNIT).unwrap_or(u64::MAX)
}

/// CEL's `matches`: RE2 syntax, found anywhere in the text. Each pattern is compiled once an evaluation.
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let refuse = |why: String| ExecutionError::function_error("matches", why);
    let mut texts = args.iter().map(|arg| {
        arg.downcast_ref::<CelString>()
            .map(CelString::inner)
            .ok_or_else(|| refuse("wants two texts".to_owned()))
    });
    let (Some(text), Some(pattern)) = (texts.next(), texts.next()) else {
        return Err(refuse("wants two texts".to_owned()));
    };
    let (text, pattern) = (text?, pattern?);
    let found = PATTERNS.with_borrow_mut(|known| {
        if let Some((_, regex)) = known.iter().find(|(written, _)| written == pattern) {
            return Ok(regex.is_match(text));
        }
        if known.len() == limits::CEL_REGEXPS {
            return Err(refuse(format!(
                "more than {} different patterns",
                limits::CEL_REGEXPS
            )));
        }
        let regex = RegexBuilder::new(pattern)
            .size_limit(limits::CEL_REGEXP_COMPILED_BYTES)
            .dfa_size_limit(limits::CEL_REGEXP_COMPILED_BYTES)
            .build()
            .map_err(|error| refuse(error.to_string()))?;
        let found = regex.is_match(text);
        known.push((pattern.to_owned(), regex));
        Ok(found)
    })?;
    Ok(CowVal::owned(CelBool::from(found)))
}
