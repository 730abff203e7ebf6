//! What an answer costs (protocol section 3).

use crate::constants::{CANCEL_GRACE, PRICE_UNIT};

/// `ceil((prompt × price_in + paid × price_out) / 1000)` lamports, at most `amount`.
pub fn payout(amount: u64, prompt_count: u32, paid_count: u32, price_in: u64, price_out: u64) -> u64 {
    // Below 2^97, so nothing can overflow.
    let exact = u128::from(prompt_count) * u128::from(price_in) + u128::from(paid_count) * u128::from(price_out);
    let price = exact.div_ceil(PRICE_UNIT);
    u64::try_from(price).map_or(amount, |price| price.min(amount))
}

/// The tokens that are paid: all of them, or after a cancel at most its `n` and a grace.
pub fn paid_count(token_count: u32, cancel_n: Option<u32>) -> u32 {
    match cancel_n {
        Some(n) => token_count.min(n.saturating_add(CANCEL_GRACE)),
        None => token_count,
    }
}
