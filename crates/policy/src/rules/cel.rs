//! One CEL expression, with a bound on its work.
//!
//! The interpreter has no budget of its own, and macros over lists multiply. So the parsed expression is rewritten:
//! wherever a value is consumed by something whose cost or result grows with it (an operator, a function, a literal
//! that copies it, a loop over it), it passes through `@spend`, which weighs it against the budget of this evaluation.
//! Loops need no counting of their own: they run as often as what they loop over has members, which was weighed.
//! `@spend` errs once the budget is gone, and an evaluation that went over it is broken whatever its value.

mod budget;
mod nesting;
mod value;

pub(crate) use value::Variables;

use super::{Broken, facts, guarded};
use crate::evaluate::statement::short;
use crate::limits;
use budget::{LOOP, SPEND};
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, operators};
use cel::{Context, Env, Program, Value};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A compiled expression.
#[derive(Clone)]
pub(crate) struct Expression {
    source: String,
    /// Rewritten: every value that is consumed is weighed.
    weighed: Arc<IdedExpr>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl Expression {
    /// Parses it, and finds names that do not exist.
    pub(crate) fn compile(source: &str) -> Result<Self, Broken> {
        if source.trim().is_empty() {
            return Err(Broken::new(
                "is empty",
                "write an expression, or leave it out",
            ));
        }
        if source.len() > limits::CEL_BYTES {
            return Err(Broken::new(
                format!("has {} bytes", source.len()),
                format!(
                    "write at most {} bytes; split the rule at &&",
                    limits::CEL_BYTES
                ),
            ));
        }
        nesting::check(source)?;
        let program = environment().compile(source).map_err(|errors| {
            let first = errors.errors.first().map(|error| error.msg.clone());
            Broken::new(
                format!(
                    "is not CEL: {}",
                    short(first.as_deref().unwrap_or("it cannot be parsed"))
                ),
                "correct the expression; see cel.dev for the language",
            )
        })?;
        check_names(&program)?;
        let mut weighed = program.expression().clone();
        weigh(&mut weighed, 0)?;
        Ok(Self {
            source: source.to_owned(),
            weighed: Arc::new(weighed),
        })
    }

    /// Evaluates it: true, or broken. `total` counts down what all expressions may cost together.
    pub(crate) fn check(&self, variables: &Variables, total: &mut u64) -> Result<(), Broken> {
        let limit = limits::CEL_WORK.min(*total);
        let mut context = Context::with_env(environment());
        variables.add_to(&mut context);
        let (result, left) = budget::limited(limit, || {
            guarded(|| Value::resolve(&self.weighed, &context))
        });
        *total -= limit - left.unwrap_or_default();
        if left.is_none() {
            return Err(Broken::new(
                "the expression costs more than any rule should",
                "look at fewer values: avoid loops within loops over large lists",
            ));
        }
        match result? {
            Ok(Value::Bool(true)) => Ok(()),
            Ok(Value::Bool(false)) => Err(Broken::new(
                format!("is false: {}", short(&self.source)),
                "look at the attestation: it does not say what the rule asks for",
            )),
            Ok(other) => Err(Broken::new(
                format!("gives a {} instead of true or false", other.type_of()),
                "compare it with what you expect",
            )),
            Err(error) => Err(Broken::new(
                format!("cannot be evaluated: {}", short(&error.to_string())),
                "ask with has() whether a member is there before you look at it",
            )),
        }
    }
}

/// The standard library with what is ours, built once: it holds no state.
fn environment() -> Arc<Env> {
    static ENVIRONMENT: OnceLock<Arc<Env>> = OnceLock::new();
    ENVIRONMENT
        .get_or_init(|| {
            let mut env = Env::stdlib();
            budget::declare(&mut env);
            Arc::new(env)
        })
        .clone()
}

fn too_deep() -> Broken {
    Broken::new(
        format!(
            "nests or chains too much (at most {} brackets within brackets and {} levels)",
            limits::CEL_BRACKETS,
            limits::CEL_DEPTH
        ),
        "split the rule at &&: each expression of the list must be true",
    )
}

/// Names that no evaluation knows are errors now, not when the first attestation arrives.
fn check_names(program: &Program) -> Result<(), Broken> {
    let references = program.references();
    for name in references.variables() {
        let known = facts::NAMES.contains(&name)
            || TYPES.contains(&name)
            || name.starts_with('@')
            || program_binds(&program.expression().expr, name);
        if !known {
            return Err(Broken::new(
                format!("there is no variable `{}`", short(name)),
                format!("the variables are {}", facts::NAMES.join(", ")),
            ));
        }
    }
    Ok(())
}

/// Types are values in CEL, and namespaces look like variables.
const TYPES: [&str; 13] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "type",
    "uint",
    "optional",
];

/// Whether a macro somewhere binds the name.
fn program_binds(expr: &Expr, name: &str) -> bool {
    let mut bound = false;
    each_child(expr, &mut |child| {
        bound = bound || program_binds(&child.expr, name)
    });
    if let Expr::Comprehension(loops) = expr {
        bound = bound || loops.iter_var == name || loops.iter_var2.as_deref() == Some(name);
    }
    bound
}

fn each_child<'e>(expr: &'e Expr, each: &mut dyn FnMut(&'e IdedExpr)) {
    match expr {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| each(target));
            call.args.iter().for_each(each);
        }
        Expr::Comprehension(loops) => {
            for part in [
                &loops.iter_range,
                &loops.accu_init,
                &loops.loop_cond,
                &loops.loop_step,
                &loops.result,
            ] {
                each(part);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(each),
        Expr::Map(map) => map
            .entries
            .iter()
            .for_each(|entry| each_entry(&entry.expr, each)),
        Expr::Struct(made) => made
            .entries
            .iter()
            .for_each(|entry| each_entry(&entry.expr, each)),
        Expr::Select(select) => each(&select.operand),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

fn each_entry<'e>(entry: &'e EntryExpr, each: &mut dyn FnMut(&'e IdedExpr)) {
    match entry {
        EntryExpr::StructField(field) => each(&field.value),
        EntryExpr::MapEntry(entry) => {
            each(&entry.key);
            each(&entry.value);
        }
    }
}

/// Puts `@spend` around everything that is consumed, and bounds the depth on the way.
fn weigh(node: &mut IdedExpr, depth: usize) -> Result<(), Broken> {
    // Conditionals, logic and loops take a level in the interpreter's stack like everything else.
    if depth > limits::CEL_DEPTH {
        return Err(too_deep());
    }
    let below = depth + 1;
    match &mut node.expr {
        Expr::Call(call) => weigh_call(call, below)?,
        Expr::Comprehension(loops) => {
            weigh(&mut loops.iter_range, below)?;
            wrap(&mut loops.iter_range, LOOP);
            weigh(&mut loops.accu_init, below)?;
            weigh(&mut loops.loop_cond, below)?;
            weigh(&mut loops.loop_step, below)?;
            weigh(&mut loops.result, below)?;
        }
        Expr::List(list) => {
            for element in &mut list.elements {
                weigh(element, below)?;
                spend(element);
            }
        }
        Expr::Map(map) => {
            for entry in &mut map.entries {
                weigh_entry(&mut entry.expr, below)?;
            }
        }
        Expr::Struct(made) => {
            for entry in &mut made.entries {
                weigh_entry(&mut entry.expr, below)?;
            }
        }
        Expr::Select(select) => weigh(&mut select.operand, below)?,
        Expr::Unspecified => {
            return Err(Broken::new("is not complete", "correct the expression"));
        }
        Expr::Ident(_) | Expr::Literal(_) => {}
    }
    Ok(())
}

fn weigh_entry(entry: &mut EntryExpr, below: usize) -> Result<(), Broken> {
    match entry {
        EntryExpr::StructField(field) => {
            weigh(&mut field.value, below)?;
            spend(&mut field.value);
        }
        EntryExpr::MapEntry(entry) => {
            for part in [&mut entry.key, &mut entry.value] {
                weigh(part, below)?;
                spend(part);
            }
        }
    }
    Ok(())
}

fn weigh_call(call: &mut CallExpr, below: usize) -> Result<(), Broken> {
    // They pass a value on or look at a boolean.
    const FREE: [&str; 6] = [
        operators::CONDITIONAL,
        operators::LOGICAL_AND,
        operators::LOGICAL_OR,
        operators::LOGICAL_NOT,
        operators::NOT_STRICTLY_FALSE,
        SPEND,
    ];
    let free = FREE.contains(&call.func_name.as_str());
    if let Some(target) = &mut call.target {
        weigh(target, below)?;
        // A namespace, as in `optional.of(x)`, is no value.
        if !matches!(&target.expr, Expr::Ident(name) if TYPES.contains(&name.as_str())) {
            spend(target);
        }
    }
    for argument in &mut call.args {
        weigh(argument, below)?;
        if !free {
            spend(argument);
        }
    }
    Ok(())
}

fn spend(node: &mut IdedExpr) {
    // A loop's own accumulator: the interpreter knows the shapes in which it grows and does not copy it.
    if matches!(&node.expr, Expr::Ident(name) if name.starts_with('@')) {
        return;
    }
    wrap(node, SPEND);
}

fn wrap(node: &mut IdedExpr, function: &str) {
    let value = std::mem::take(node);
    node.id = value.id;
    node.expr = Expr::Call(CallExpr {
        func_name: function.to_owned(),
        target: None,
        args: vec![value],
    });
}

#[cfg(test)]
mod tests;
