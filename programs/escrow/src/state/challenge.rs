//! A demand, made on the chain, that the provider open steps of an answer.

use anchor_lang::prelude::*;

use crate::constants::{BOND, CHALLENGE_MARGIN, CHALLENGE_WINDOW, MAX_POSITIONS};
use crate::errors::EscrowError;

const POSITIONS: usize = MAX_POSITIONS as usize;

/// The one challenge that an answer can get. All zero before it is made.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, Default, InitSpace, PartialEq, Eq)]
pub struct Challenge {
    /// Indexes among the answer's tokens. Those in use come first.
    pub positions: [u32; POSITIONS],
    /// Bit i: the provider has not answered position i.
    pub open: u8,
    /// Unix seconds from which silence is slashed.
    pub due: i64,
    /// Lamports that the account holds for the open positions.
    pub bond: u64,
    /// Wallet that put up the bond.
    pub challenger: Pubkey,
    /// An answer is challenged once.
    pub made: bool,
}

impl Challenge {
    pub const SPACE: usize = 4 * POSITIONS // positions
        + 1                                // open
        + 8                                // due
        + 8                                // bond
        + 32                               // challenger
        + 1; // made

    /// A challenge of `positions`, which must be one to three different ones below `token_count`.
    pub fn make(positions: &[u32], token_count: u32, challenger: Pubkey, now: i64) -> Result<Self> {
        let count = positions.len();
        let distinct = positions.iter().enumerate().all(|(at, position)| !positions[..at].contains(position));
        let inside = positions.iter().all(|position| *position < token_count);
        require!((1..=POSITIONS).contains(&count) && distinct && inside, EscrowError::InvalidPositions);
        let mut places = [0; POSITIONS];
        places[..count].copy_from_slice(positions);
        Ok(Self {
            positions: places,
            open: (1 << count) - 1,
            due: super::after(now, CHALLENGE_WINDOW)?,
            bond: BOND.checked_mul(count as u64).ok_or(EscrowError::MathOverflow)?,
            challenger,
            made: true,
        })
    }

    pub fn is_open(&self) -> bool {
        self.open != 0
    }

    /// Who gets the bond back, or `otherwise` where there is none.
    pub fn bond_owner(&self, otherwise: Pubkey) -> Pubkey {
        if self.is_open() {
            self.challenger
        } else {
            otherwise
        }
    }

    /// Closes `position`. Returns the bond that the answer gets.
    pub fn close(&mut self, position: u32) -> Result<u64> {
        let place = (0..POSITIONS).find(|at| self.open & (1 << at) != 0 && self.positions[*at] == position);
        self.open &= !(1 << place.ok_or(EscrowError::PositionNotOpen)?);
        self.bond = super::subtract(self.bond, BOND)?;
        Ok(BOND)
    }

    /// Whether the provider was silent until `now`.
    pub fn is_overdue(&self, now: i64) -> bool {
        self.is_open() && now >= self.due
    }

    /// Until then the client can object to the answer: long enough to slash for this challenge.
    pub fn objection_end(&self) -> Result<i64> {
        super::after(self.due, CHALLENGE_MARGIN)
    }
}
