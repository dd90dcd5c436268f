//! Bounds on what others write, each with its reason.

use std::num::NonZeroU32;

/// Bytes of one policy document. A policy with a hundred identities has about 20 KB.
pub(crate) const DOCUMENT_BYTES: usize = 256 << 10;
/// Values in one document, counted after YAML's aliases are followed: what an alias bomb multiplies.
pub(crate) const DOCUMENT_NODES: usize = 20_000;
/// Nesting of a document. A policy has seven levels.
pub(crate) const DOCUMENT_DEPTH: usize = 16;
/// Opening brackets in YAML, wherever they stand. The parser's time grows with the square of those that are open at
/// once: so many cost a tenth of a second. A thousand identities in brackets have five thousand.
pub(crate) const YAML_BRACKETS: usize = 8192;
/// Problems that one refusal lists.
pub(crate) const PROBLEMS: usize = 50;
/// Identities in one list.
pub(crate) const IDENTITIES: usize = 1000;
/// Globs in one document; each compiles in microseconds.
pub(crate) const GLOBS: usize = 1000;
/// Regular expressions in one document: the costliest that is accepted takes milliseconds to compile.
pub(crate) const REGEXPS: usize = 100;
/// Keys in one list: each is tried on each bundle that was signed with a key.
pub(crate) const KEYS: usize = 16;
/// Attestations that one document demands.
pub(crate) const ATTESTATIONS: usize = 64;
/// Trusted roots that one document names: each is tried on each bundle.
pub(crate) const ROOTS: usize = 16;
/// The highest threshold: no bundle carries more entries or timestamps (`formats::limits`).
pub(crate) const THRESHOLD: u32 = 32;
/// Bundles that one evaluation looks at. Images with more attestations than this have not been seen.
pub(crate) const CANDIDATES: usize = 256;
/// Verifications (one bundle, one signer list, one root) of one evaluation; each costs about a millisecond.
pub(crate) const VERIFICATIONS: usize = 1024;
/// Nesting of a statement, as the engine reads it.
pub(crate) const STATEMENT_DEPTH: usize = 128;
/// Bytes of a statement, as the engine reads it.
pub(crate) const STATEMENT_BYTES: usize = formats::limits::BUNDLE_BYTES;
/// Bytes of one CEL expression.
pub(crate) const CEL_BYTES: usize = 4 << 10;
/// CEL expressions of one attestation.
pub(crate) const CEL_RULES: usize = 64;
/// Nesting of a CEL expression as it is evaluated: each level takes two stack frames of the interpreter, which are
/// large. A thread of 2 MiB, the smallest we run on, holds twice as many levels even without optimization.
pub(crate) const CEL_DEPTH: usize = 20;
/// Brackets within brackets, and conditionals, in the text of a CEL expression: each takes a dozen stack frames of the
/// parser.
pub(crate) const CEL_BRACKETS: usize = 12;
/// Operators and dots in the text of a CEL expression: what can chain without brackets.
pub(crate) const CEL_OPERATORS: usize = 400;
/// Work of one CEL expression, in values looked at (a text counts once for each 32 bytes, a turn of a loop eight times).
/// A bill of materials at the limit below has about half a million values, and takes a pass or two.
pub(crate) const CEL_WORK: u64 = 2_000_000;
/// Different regular expressions that one evaluation of an expression may use: each is compiled.
pub(crate) const CEL_REGEXPS: usize = 32;
/// Bytes that a compiled regular expression of a rule may take.
pub(crate) const CEL_REGEXP_COMPILED_BYTES: usize = 256 << 10;
/// Bytes of a statement whose content rules look at. Values in memory have many times the bytes of their text; a
/// software bill of materials of a large image has about this size.
pub(crate) const RULE_INPUT_BYTES: usize = 16 << 20;
/// Bytes of one Rego module.
pub(crate) const REGO_BYTES: usize = 64 << 10;
/// Steps of a Rego evaluation between two looks at its budget.
pub(crate) const REGO_INTERVAL: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Looks at the budget until it is spent: two million steps.
pub(crate) const REGO_INTERVALS: u64 = 20_000;
/// What all rules of one evaluation may cost together, over all bundles: ten times what the dearest expression may.
pub(crate) const TOTAL_CEL_WORK: u64 = 10 * CEL_WORK;
/// The same for Rego: five times what the dearest module may.
pub(crate) const TOTAL_REGO_INTERVALS: u64 = 5 * REGO_INTERVALS;
/// Bytes of statements that one evaluation reads for its rules: reading is the dearest part of a simple rule.
pub(crate) const TOTAL_RULE_INPUT_BYTES: usize = 8 * RULE_INPUT_BYTES;
