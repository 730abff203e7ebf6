//! Two heads that contradict each other (protocol section 4.2), as far as heads alone show it.

use super::head::Head;

/// Whether no honest provider signs both heads for one job. The order of the two does not matter.
///
/// The rule that needs the tokens (an earlier head off the final one's chain) is not decided here.
pub fn is_equivocation(a: &Head, b: &Head) -> bool {
    let same_job = a.input_digest == b.input_digest && a.exec_class == b.exec_class && a.prompt_count == b.prompt_count;
    if !same_job {
        return true;
    }
    let same_tree = a.root == b.root && a.prefix == b.prefix;
    let same_count = a.token_count == b.token_count;
    match (a.is_final(), b.is_final()) {
        (true, true) => a != b,
        (false, false) => same_count && a != b,
        (false, true) => a.token_count > b.token_count || (same_count && !same_tree),
        (true, false) => b.token_count > a.token_count || (same_count && !same_tree),
    }
}
