//! What an answer costs (protocol section 3).

use crate::constants::PRICE_UNIT;

/// Lamports for the job, and for 1,000 tokens of prompt and answer.
#[derive(Clone, Copy, Debug)]
pub struct Prices {
    pub job: u64,
    pub prompt: u64,
    pub answer: u64,
    /// A score job's tokens all count as prompt tokens.
    pub score: bool,
}

/// `priceJob + ceil((promptCount × priceIn + paid × priceOut) / 1000)` lamports, which can be more than a `u64` holds.
pub fn price(prices: &Prices, prompt_count: u32, paid_count: u32) -> u128 {
    let answer = if prices.score { prices.prompt } else { prices.answer };
    // Below 2^98, so nothing can overflow.
    let tokens = u128::from(prompt_count) * u128::from(prices.prompt) + u128::from(paid_count) * u128::from(answer);
    u128::from(prices.job) + tokens.div_ceil(PRICE_UNIT)
}

/// The tokens of an answer that are paid: none where none was acknowledged, else at most `grace` beyond `acked`.
pub fn paid_count(token_count: u32, acked: u32, grace: u32) -> u32 {
    match acked {
        0 => 0,
        _ => token_count.min(acked.saturating_add(grace)),
    }
}
