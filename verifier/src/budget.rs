//! The work budget: how many signature checks one bundle may cost.

use crate::limits;
use std::cell::Cell;

/// Counts signature checks down; a hostile bundle runs out, an honest one never does.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Cell<u32>,
}

/// The budget is spent: the bundle asks for more work than any honest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            left: Cell::new(limits::SIGNATURE_CHECKS),
        }
    }

    /// Takes `checks` from the budget before they are done.
    pub(crate) fn spend(&self, checks: usize) -> Result<(), Exhausted> {
        let left = u32::try_from(checks)
            .ok()
            .and_then(|checks| self.left.get().checked_sub(checks));
        self.left.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(Exhausted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_stays_spent() {
        let budget = Budget::new();
        assert_eq!(budget.spend(256), Ok(()));
        assert_eq!(budget.spend(1), Err(Exhausted));
        assert_eq!(budget.spend(0), Ok(()));
    }

    #[test]
    fn asking_for_too_much_at_once_spends_what_is_left() {
        let budget = Budget::new();
        assert_eq!(budget.spend(257), Err(Exhausted));
        assert_eq!(budget.spend(1), Err(Exhausted));
    }
}
