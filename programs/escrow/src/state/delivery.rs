//! What a provider says that it delivered.

use anchor_lang::prelude::*;

use super::Challenge;
use crate::logic::head::{Head, NOT_FINAL};

/// The part of a head that payment and proofs need, and the challenge against it.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, InitSpace, PartialEq, Eq)]
pub struct Delivery {
    /// Tokens of the prompt.
    pub prompt_count: u32,
    /// Tokens of the answer.
    pub token_count: u32,
    /// Tokens of the answer that are paid. 0 in an evidence: its channel pays.
    pub paid_count: u32,
    /// Root of the tree over all steps.
    pub root: [u8; 32],
    /// Digest of the answer's text.
    pub text_digest: [u8; 32],
    /// How the answer ended: 0 stop token, 1 most tokens, 2 stopped by the client, 3 broken off, 4 scored, 5 stop text;
    /// 255 not yet.
    pub finish: u8,
    /// The demand that steps be opened.
    pub challenge: Challenge,
}

impl Delivery {
    pub const SPACE: usize = 4 // prompt_count
        + 4                    // token_count
        + 4                    // paid_count
        + 32                   // root
        + 32                   // text_digest
        + 1                    // finish
        + Challenge::SPACE; // challenge

    pub fn none() -> Self {
        Self {
            prompt_count: 0,
            token_count: 0,
            paid_count: 0,
            root: [0; 32],
            text_digest: [0; 32],
            finish: NOT_FINAL,
            challenge: Challenge::default(),
        }
    }

    pub fn of(head: &Head, paid_count: u32) -> Self {
        Self {
            prompt_count: head.prompt_count,
            token_count: head.token_count,
            paid_count,
            root: head.root,
            text_digest: head.text_digest,
            finish: head.finish,
            challenge: Challenge::default(),
        }
    }

    /// `other` with what is kept here in its place: the head that was delivered, as far as it is known.
    pub fn as_head(&self, other: &Head) -> Head {
        Head {
            prompt_count: self.prompt_count,
            token_count: self.token_count,
            root: self.root,
            text_digest: self.text_digest,
            finish: self.finish,
            ..*other
        }
    }
}
