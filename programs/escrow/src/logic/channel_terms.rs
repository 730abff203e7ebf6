//! Channel terms (protocol section 9): a body of 241 bytes at fixed offsets, signed by the provider's node.

use super::message::{sha256, tag};
use super::reader::Reader;
use crate::errors::EscrowError;

pub const TERMS_SIZE: usize = 241;

/// What a provider offers a payer: one deposit for many answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelTerms {
    /// Genesis hash.
    pub chain: [u8; 32],
    pub program: [u8; 32],
    /// Wallet that deposits.
    pub payer: [u8; 32],
    /// Authority of the provider's account.
    pub authority: [u8; 32],
    /// The provider's node.
    pub provider: [u8; 32],
    /// The client's node.
    pub client: [u8; 32],
    /// Lamports.
    pub deposit: u64,
    /// Lamports, at most `deposit`.
    pub window: u64,
    /// Unix seconds.
    pub expires_at: u64,
    /// Unix seconds.
    pub valid_until: u64,
}

/// Where the terms are used, to be compared with what they name.
pub struct Place<'a> {
    pub program: &'a [u8; 32],
    pub payer: &'a [u8; 32],
    pub authority: &'a [u8; 32],
    /// `None` in a build that serves any chain.
    pub chain: Option<&'a [u8; 32]>,
}

/// `SHA(tag("qvac/chanid/1") ‖ body)`.
pub fn channel_id_of(body: &[u8]) -> [u8; 32] {
    sha256(&[&tag("qvac/chanid/1"), body])
}

impl ChannelTerms {
    pub fn parse(body: &[u8]) -> Result<Self, EscrowError> {
        read(body).ok_or(EscrowError::MalformedTerms)
    }

    pub fn names(&self, place: &Place) -> bool {
        self.program == *place.program
            && self.payer == *place.payer
            && self.authority == *place.authority
            && place.chain.is_none_or(|chain| self.chain == *chain)
    }
}

fn read(body: &[u8]) -> Option<ChannelTerms> {
    let mut reader = Reader::new(body);
    let version = reader.u8()?;
    let terms = ChannelTerms {
        chain: reader.array()?,
        program: reader.array()?,
        payer: reader.array()?,
        authority: reader.array()?,
        provider: reader.array()?,
        client: reader.array()?,
        deposit: reader.u64()?,
        window: reader.u64()?,
        expires_at: reader.u64()?,
        valid_until: reader.u64()?,
    };
    let _nonce = reader.array::<16>()?;
    (version == 1 && reader.is_empty() && terms.window <= terms.deposit).then_some(terms)
}
