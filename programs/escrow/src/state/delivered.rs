//! What can be proved about an answer, whichever account keeps it.

use anchor_lang::prelude::*;

use super::{Delivery, Terms};
use crate::constants::{MAX_PATH, MAX_SCORE_PATH};
use crate::errors::EscrowError;
use crate::logic::equivocation::is_equivocation;
use crate::logic::head::Head;
use crate::logic::merkle::root_of_path;
use crate::logic::step::Step;

/// An answer with a root that the provider is bound to.
pub trait Delivered {
    fn terms(&self) -> &Terms;
    fn delivery(&self) -> &Delivery;

    /// That the answer can be challenged, which happens once.
    fn require_challengeable(&self) -> Result<()> {
        let (terms, delivery) = (self.terms(), self.delivery());
        let provable = !terms.is_score() || delivery.token_count <= 1 << MAX_SCORE_PATH;
        require!(terms.is_opened() && provable, EscrowError::NotChallengeable);
        require!(!delivery.challenge.made, EscrowError::AlreadyChallenged);
        Ok(())
    }

    /// That no challenge waits for an answer.
    fn require_unchallenged(&self) -> Result<()> {
        require!(!self.delivery().challenge.is_open(), EscrowError::ChallengeOpen);
        Ok(())
    }

    /// That `step` is under the root at `index`.
    fn require_under_root(&self, index: u32, step: &Step, path: &[[u8; 32]]) -> Result<()> {
        require!(path.len() <= usize::from(MAX_PATH), EscrowError::PathTooLong);
        let leaf = step.leaf(&self.terms().job_id, index).ok_or(EscrowError::RootMismatch)?;
        let root = root_of_path(&leaf, index, self.delivery().token_count, path);
        require!(root == Some(self.delivery().root), EscrowError::RootMismatch);
        Ok(())
    }

    /// Whether the seed draws the token of `step` from its candidates.
    fn draws(&self, index: u32, step: &Step) -> Result<bool> {
        let terms = self.terms();
        let candidates = step.candidates.as_ref().ok_or(EscrowError::CandidatesMissing)?;
        let place = terms.start.checked_add(index).ok_or(EscrowError::MathOverflow)?;
        Ok(terms.sampler().follows(&terms.seed, place, &candidates.list, step.token))
    }

    /// That `step` answers a challenge of `index`: it shows what it commits to, and where the chain can judge that, an
    /// honest draw.
    fn require_answer(&self, index: u32, step: &Step, path: &[[u8; 32]]) -> Result<()> {
        self.require_under_root(index, step, path)?;
        let terms = self.terms();
        require!(step.candidates.is_some() == terms.shows_candidates(), EscrowError::CandidatesMissing);
        let honest = !terms.draws_are_judgeable() || self.draws(index, step)?;
        require!(honest, EscrowError::TokenMismatch);
        Ok(())
    }

    /// That `step` was committed, and its token is not the one that was drawn.
    fn require_false_draw(&self, index: u32, step: &Step, path: &[[u8; 32]]) -> Result<()> {
        require!(self.terms().draws_are_judgeable(), EscrowError::DrawsNotJudgeable);
        self.require_under_root(index, step, path)?;
        require!(!self.draws(index, step)?, EscrowError::TokenFollows);
        Ok(())
    }

    /// That an honest provider does not sign both `first` and `second`; without `second`, not what was delivered.
    fn require_equivocation(&self, first: &Head, second: Option<&Head>) -> Result<()> {
        let second = second.copied().unwrap_or_else(|| self.delivery().as_head(first));
        for head in [first, &second] {
            require!(head.job_id == self.terms().job_id, EscrowError::HeadMismatch);
        }
        require!(is_equivocation(first, &second), EscrowError::HeadsAgree);
        Ok(())
    }

    /// That the provider let a challenge pass.
    fn require_silence(&self, now: i64) -> Result<()> {
        require!(self.delivery().challenge.is_overdue(now), EscrowError::ChallengeNotDue);
        Ok(())
    }
}
