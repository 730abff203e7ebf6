use anchor_lang::prelude::*;

use super::transfers::return_bond;
use crate::constants::EVIDENCE_SEED;
use crate::errors::EscrowError;
use crate::events::EvidenceClosed;
use crate::state::Evidence;

#[derive(Accounts)]
pub struct EvidenceClose<'info> {
    #[account(mut)]
    pub rent_payer: Signer<'info>,
    /// CHECK: only looked at: an account of this program's is still a channel.
    #[account(address = evidence.channel @ EscrowError::SubjectMismatch)]
    pub channel: UncheckedAccount<'info>,
    /// CHECK: only receives lamports; it is the challenger of an open challenge, else the rent payer again.
    #[account(mut, address = evidence.bond_owner() @ EscrowError::Unauthorized)]
    pub challenger: UncheckedAccount<'info>,
    #[account(
        mut,
        has_one = rent_payer @ EscrowError::Unauthorized,
        seeds = [EVIDENCE_SEED, evidence.channel.as_ref(), &evidence.terms.job_id],
        bump = evidence.bump,
        close = rent_payer
    )]
    pub evidence: Box<Account<'info, Evidence>>,
}

impl EvidenceClose<'_> {
    fn validate(&self) -> Result<()> {
        require!(*self.channel.owner != crate::ID, EscrowError::ChannelExists);
        Ok(())
    }

    /// Gives the rent back, and the bond of a challenge that was open when the channel ended.
    #[access_control(ctx.accounts.validate())]
    pub fn evidence_close(ctx: Context<Self>) -> Result<()> {
        let EvidenceClose { challenger, evidence, .. } = ctx.accounts;
        return_bond(&evidence.to_account_info(), challenger, evidence.delivery.challenge.bond)?;
        emit!(EvidenceClosed {
            evidence: evidence.key(),
            channel: evidence.channel,
            job_id: evidence.terms.job_id,
            rent_payer: evidence.rent_payer,
        });
        Ok(())
    }
}
