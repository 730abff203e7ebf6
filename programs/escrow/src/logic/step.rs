//! One step of an answer and its leaf (protocol section 4.1, steps 6 to 8).

use anchor_lang::prelude::*;

use super::message::{sha256, tag};
use super::sampler::Candidate;

/// What a leaf is the hash of, besides job id and index.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The token that was given.
    pub token: u32,
    /// Digest of everything before it.
    pub prefix: [u8; 32],
    /// What the token was drawn from. `None` in mode zk, where 32 zero bytes stand for it.
    pub candidates: Option<Candidates>,
    /// Digest of the unrounded logits.
    pub exact: [u8; 32],
    /// `None` stands for 32 zero bytes.
    pub zk: Option<[u8; 32]>,
}

/// The tokens that could have been next, as the provider committed to them.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// Hides the list until it is opened.
    pub salt: [u8; 16],
    /// In the order in which they were committed.
    pub list: Vec<Candidate>,
}

impl Candidates {
    /// `SHA(tag("qvac/cand/1") ‖ jobId ‖ u32 i ‖ salt ‖ u8 count ‖ count × (u32 id ‖ i32 q))`, or `None` for more
    /// candidates than a count can say.
    pub fn digest(&self, job_id: &[u8; 32], index: u32) -> Option<[u8; 32]> {
        let count = u8::try_from(self.list.len()).ok()?;
        let mut list = Vec::with_capacity(8 * self.list.len());
        for candidate in &self.list {
            list.extend_from_slice(&candidate.id.to_be_bytes());
            list.extend_from_slice(&candidate.q.to_be_bytes());
        }
        Some(sha256(&[&tag("qvac/cand/1"), job_id, &index.to_be_bytes(), &self.salt, &[count], &list]))
    }
}

impl Step {
    /// `SHA(0x00 ‖ tag("qvac/step/1") ‖ jobId ‖ u32 i ‖ u32 token ‖ prefix ‖ cand ‖ exact ‖ zk)`.
    pub fn leaf(&self, job_id: &[u8; 32], index: u32) -> Option<[u8; 32]> {
        let candidates = match &self.candidates {
            Some(candidates) => candidates.digest(job_id, index)?,
            None => [0; 32],
        };
        let zk = self.zk.unwrap_or_default();
        let [i, token] = [index.to_be_bytes(), self.token.to_be_bytes()];
        let [kind, prefix, exact] = [&tag("qvac/step/1"), &self.prefix[..], &self.exact];
        Some(sha256(&[&[0], kind, job_id, &i, &token, prefix, &candidates, exact, &zk]))
    }
}
