//! From committed candidates to the one token that the seed selects (protocol section 4.1). Integers only.

use anchor_lang::prelude::*;

use super::message::{sha256, tag};

pub const MAX_TEMPERATURE: u8 = 200;
pub const MAX_MIN_P: u8 = 100;
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

/// What the offer says about sampling. `temperature` and `min_p` are hundredths.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq, InitSpace)]
pub struct Sampler {
    /// 0 to 200.
    pub temperature: u8,
    /// 0 to 100.
    pub min_p: u8,
    /// 1 to 20.
    pub top_k: u8,
    /// Number of token ids of the model, at least 1.
    pub vocab: u32,
}

impl Sampler {
    pub fn is_valid(&self) -> bool {
        self.temperature <= MAX_TEMPERATURE
            && self.min_p <= MAX_MIN_P
            && (1..=MAX_TOP_K).contains(&self.top_k)
            && self.vocab >= 1
    }

    /// Whether these are candidates that an honest provider commits to: as many as there must be, in the vocabulary,
    /// ascending, each once.
    pub fn admits(&self, candidates: &[Candidate]) -> bool {
        candidates.len() as u64 == u64::from(self.vocab).min(u64::from(self.top_k))
            && candidates.iter().all(|c| c.id < self.vocab)
            && candidates.windows(2).all(|pair| pair[0].id < pair[1].id)
    }

    /// The token that step `index` draws from `candidates`.
    pub fn pick(&self, seed: &[u8; 32], index: u32, candidates: &[Candidate]) -> Option<u32> {
        let at = select(&weights(candidates, self.temperature, self.min_p), draw(seed, index))?;
        candidates.get(at).map(|candidate| candidate.id)
    }

    /// Whether `token` is what step `index` had to give: the candidates are admissible and the draw selects it.
    pub fn follows(&self, seed: &[u8; 32], index: u32, candidates: &[Candidate], token: u32) -> bool {
        self.admits(candidates) && self.pick(seed, index, candidates) == Some(token)
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

/// The weights of `candidates`, in their order.
pub fn weights(candidates: &[Candidate], temperature: u8, min_p: u8) -> Vec<u64> {
    let best = candidates.iter().map(|c| c.q).max().unwrap_or(0);
    let distance = |c: &Candidate| best.abs_diff(c.q);
    if temperature == 0 {
        let first = candidates.iter().position(|c| c.q == best);
        return (0..candidates.len()).map(|at| u64::from(Some(at) == first)).collect();
    }
    let mut weights: Vec<u64> = candidates.iter().map(|c| weight(distance(c), temperature)).collect();
    // The best candidate's weight is 2^32, so no product overflows.
    let floor = u64::from(min_p) * weights.iter().max().copied().unwrap_or(0);
    for w in &mut weights {
        if *w * 100 < floor {
            *w = 0;
        }
    }
    weights
}

/// The draw of step `index`: the first 8 bytes of `HMAC-SHA256(seed, tag("qvac/draw/1") ‖ u32 index)`.
pub fn draw(seed: &[u8; 32], index: u32) -> u64 {
    let pad = |byte: u8| -> [u8; 64] { std::array::from_fn(|at| seed.get(at).copied().unwrap_or(0) ^ byte) };
    let inner = sha256(&[&pad(0x36), &tag("qvac/draw/1"), &index.to_be_bytes()]);
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
