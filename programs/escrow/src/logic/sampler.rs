//! From committed candidates to the one token that the seed selects (protocol section 4.1). Integers only.

use anchor_lang::prelude::*;

use super::message::{sha256, tag};

pub const MAX_TEMPERATURE: u8 = 200;
pub const MAX_MIN_P: u8 = 100;
pub const MAX_TOP_P: u8 = 100;
pub const MAX_TOP_K: u8 = 20;

/// round(log2(e) × 2^24)
const LOG2_E: u64 = 24_204_406;
/// floor(2^32 × 2^(−2^(−b))) for b = 1 … 16
const POWERS: [u64; 16] = [
    0xb504_f333,
    0xd744_fcca,
    0xeac0_c6e7,
    0xf525_7d15,
    0xfa83_b2db,
    0xfd3e_0c0c,
    0xfe9e_115c,
    0xff4e_cb59,
    0xffa7_5652,
    0xffd3_a751,
    0xffe9_d2b2,
    0xfff4_e91b,
    0xfffa_747e,
    0xfffd_3a3b,
    0xfffe_9d1c,
    0xffff_4e8e,
];

/// A token that could have been next, with its logit × 1024, rounded.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Token.
    pub id: u32,
    /// Logit × 1024, rounded.
    pub q: i32,
}

/// What the offer says about sampling, apart from its `extra`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Hundredths.
    pub temperature: u8,
    /// Hundredths.
    pub min_p: u8,
    /// Hundredths.
    pub top_p: u8,
    pub top_k: u8,
    /// Number of token ids of the model.
    pub vocab: u32,
}

impl Sampler {
    /// Whether these are candidates that an honest provider commits to: as many as there must be, in the vocabulary,
    /// ascending, each once.
    pub fn admits(&self, candidates: &[Candidate]) -> bool {
        candidates.len() as u64 == u64::from(self.vocab).min(u64::from(self.top_k))
            && candidates.iter().all(|c| c.id < self.vocab)
            && candidates.windows(2).all(|pair| pair[0].id < pair[1].id)
    }

    /// The token that `step` of the whole answer draws from `candidates`.
    pub fn pick(&self, seed: &[u8; 32], step: u32, candidates: &[Candidate]) -> Option<u32> {
        let at = select(&self.weights(candidates), draw(seed, step))?;
        candidates.get(at).map(|candidate| candidate.id)
    }

    /// Whether `token` is what `step` of the whole answer had to give: the candidates are admissible and the draw selects
    /// it.
    pub fn follows(&self, seed: &[u8; 32], step: u32, candidates: &[Candidate], token: u32) -> bool {
        self.admits(candidates) && self.pick(seed, step, candidates) == Some(token)
    }

    /// The weights of `candidates`, in their order.
    pub fn weights(&self, candidates: &[Candidate]) -> Vec<u64> {
        let best = candidates.iter().map(|c| c.q).max().unwrap_or(0);
        if self.temperature == 0 {
            let first = candidates.iter().position(|c| c.q == best);
            return (0..candidates.len()).map(|at| u64::from(Some(at) == first)).collect();
        }
        let mut weights: Vec<u64> = candidates.iter().map(|c| weight(best.abs_diff(c.q), self.temperature)).collect();
        cut_min_p(&mut weights, self.min_p);
        cut_top_p(&mut weights, self.top_p);
        weights
    }
}

/// The weight of a candidate `distance` below the best one, at a temperature that is not 0.
pub fn weight(distance: u32, temperature: u8) -> u64 {
    // At most 2^32 × 24204406 × 100, which is below 2^64.
    let x = u64::from(distance) * LOG2_E * 100 / (u64::from(temperature) * 262_144);
    let shift = x >> 16;
    if shift > 32 {
        return 0;
    }
    let mut w = 1u64 << 32;
    for (b, power) in POWERS.iter().enumerate() {
        if x >> (15 - b) & 1 == 1 {
            w = (w * power) >> 32;
        }
    }
    w >> shift
}

/// Drops the weights below `min_p` hundredths of the greatest.
fn cut_min_p(weights: &mut [u64], min_p: u8) {
    // A weight is at most 2^32, so no product overflows.
    let floor = u64::from(min_p) * weights.iter().max().copied().unwrap_or(0);
    for w in weights {
        if *w * 100 < floor {
            *w = 0;
        }
    }
}

/// Keeps the greatest weights until they are `top_p` hundredths of the sum; of equal ones the lower id comes first.
fn cut_top_p(weights: &mut [u64], top_p: u8) {
    if top_p >= MAX_TOP_P {
        return;
    }
    let wanted = u64::from(top_p) * weights.iter().sum::<u64>();
    let mut left = weights.to_vec();
    weights.fill(0);
    let mut kept = 0;
    while kept * 100 < wanted {
        let greatest = left.iter().max().copied().unwrap_or(0);
        let Some(at) = left.iter().position(|w| *w == greatest) else { break };
        weights[at] = greatest;
        kept += greatest;
        left[at] = 0;
    }
}

/// The draw of a step of the whole answer: the first 8 bytes of `HMAC-SHA256(seed, tag("qvac/draw/1") ‖ u32 step)`.
pub fn draw(seed: &[u8; 32], step: u32) -> u64 {
    let pad = |byte: u8| -> [u8; 64] { std::array::from_fn(|at| seed.get(at).copied().unwrap_or(0) ^ byte) };
    let inner = sha256(&[&pad(0x36), &tag("qvac/draw/1"), &step.to_be_bytes()]);
    let outer = sha256(&[&pad(0x5c), &inner]);
    u64::from_be_bytes(std::array::from_fn(|at| outer[at]))
}

/// The first place at which `(cumulative weight) × 2^64 > draw × (sum of weights)`.
pub fn select(weights: &[u64], draw: u64) -> Option<usize> {
    let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    let mut cumulative = 0u128;
    weights.iter().position(|w| {
        cumulative += u128::from(*w);
        cumulative << 64 > u128::from(draw) * sum
    })
}
