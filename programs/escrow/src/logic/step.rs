//! One step of an answer and its leaf (protocol section 4.1, steps 6 and 8).

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
    /// Hides the candidates until they are opened.
    pub salt: [u8; 16],
    /// In the order in which they were committed.
    pub candidates: Vec<Candidate>,
    /// Digest of the unrounded logits.
    pub exact: [u8; 32],
    /// `None` stands for 32 zero bytes.
    pub zk: Option<[u8; 32]>,
}

impl Step {
    /// `SHA(tag("qvac/cand/1") ‖ jobId ‖ u32 i ‖ salt ‖ u8 count ‖ count × (u32 id ‖ i32 q))`, or `None` for more
    /// candidates than a count can say.
    pub fn candidates_digest(&self, job_id: &[u8; 32], index: u32) -> Option<[u8; 32]> {
        let count = u8::try_from(self.candidates.len()).ok()?;
        let mut list = Vec::with_capacity(8 * self.candidates.len());
        for candidate in &self.candidates {
            list.extend_from_slice(&candidate.id.to_be_bytes());
            list.extend_from_slice(&candidate.q.to_be_bytes());
        }
        Some(sha256(&[&tag("qvac/cand/1"), job_id, &index.to_be_bytes(), &self.salt, &[count], &list]))
    }

    /// `SHA(0x00 ‖ tag("qvac/step/1") ‖ jobId ‖ u32 i ‖ u32 token ‖ prefix ‖ cand ‖ exact ‖ zk)`.
    pub fn leaf(&self, job_id: &[u8; 32], index: u32) -> Option<[u8; 32]> {
        let candidates = self.candidates_digest(job_id, index)?;
        Some(leaf(job_id, index, self.token, &self.prefix, &candidates, &self.exact, &self.zk.unwrap_or_default()))
    }
}

/// The leaf of a step whose candidates are known by their digest.
pub fn leaf(
    job_id: &[u8; 32],
    index: u32,
    token: u32,
    prefix: &[u8; 32],
    candidates: &[u8; 32],
    exact: &[u8; 32],
    zk: &[u8; 32],
) -> [u8; 32] {
    let [index, token] = [index.to_be_bytes(), token.to_be_bytes()];
    sha256(&[&[0], &tag("qvac/step/1"), job_id, &index, &token, prefix, candidates, exact, zk])
}
