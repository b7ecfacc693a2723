//! Bounded memory: what is delivered and kept for others stays within the retention bound, and when everybody has
//! everything nothing is kept.

use crate::limits::OLD_INCARNATIONS_MAX;
use crate::sim::history::History;

pub(in crate::sim) fn check(history: &History) -> Result<(), String> {
    if history.retained_max > history.retained_bound {
        return Err(format!(
            "{} messages kept, {} allowed",
            history.retained_max, history.retained_bound
        ));
    }
    for (member, (kept, streams)) in history.left.iter().enumerate() {
        if *kept > 0 {
            return Err(format!(
                "member {member} still keeps {kept} messages although everybody has them"
            ));
        }
        if *streams > history.members * (OLD_INCARNATIONS_MAX + 1) {
            return Err(format!("member {member} has {streams} streams open"));
        }
    }
    Ok(())
}
