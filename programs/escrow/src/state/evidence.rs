//! What is needed to prove something about one answer of a channel.

use anchor_lang::prelude::*;

use super::{Channel, Delivered, Delivery, Terms};
use crate::constants::ACCOUNT_VERSION;
use crate::errors::EscrowError;
use crate::logic::head::Head;
use crate::logic::offer::{Offer, PAY_CHANNEL};

/// Seeds: `"evidence"`, channel address, job id. Its lamports are the rent minimum and the bond of an open challenge. It
/// outlives its channel.
#[account]
#[derive(Debug, InitSpace, PartialEq, Eq)]
pub struct Evidence {
    /// Layout version of this account.
    pub version: u8,
    /// Canonical bump of its address.
    pub bump: u8,
    /// Address of the channel's account.
    pub channel: Pubkey,
    /// Wallet that paid the rent, and gets it back.
    pub rent_payer: Pubkey,
    /// What was agreed on.
    pub terms: Terms,
    /// A head that the provider signed.
    pub delivery: Delivery,
}

impl Evidence {
    pub const SPACE: usize = 8  // discriminator
        + 1                     // version
        + 1                     // bump
        + 32                    // channel
        + 32                    // rent_payer
        + Terms::SPACE          // terms
        + Delivery::SPACE; // delivery

    pub fn new(channel: Pubkey, rent_payer: Pubkey, terms: Terms, head: &Head, bump: u8) -> Self {
        Self { version: ACCOUNT_VERSION, bump, channel, rent_payer, terms, delivery: Delivery::of(head, 0) }
    }

    /// Who gets the bond of an open challenge back; without one, the rent payer.
    pub fn bond_owner(&self) -> Pubkey {
        self.delivery.challenge.bond_owner(self.rent_payer)
    }

    /// That `offer` was made in `channel`.
    pub fn require_offer_of(channel: &Channel, offer: &Offer) -> Result<()> {
        let same = offer.pay == PAY_CHANNEL
            && offer.account == channel.id
            && offer.provider == channel.peer
            && offer.client == channel.client_peer;
        require!(same, EscrowError::OfferMismatch);
        Ok(())
    }
}

impl Delivered for Evidence {
    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn delivery(&self) -> &Delivery {
        &self.delivery
    }
}
