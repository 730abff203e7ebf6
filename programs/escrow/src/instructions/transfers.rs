//! How lamports leave the accounts of this program.

use anchor_lang::prelude::*;
use anchor_lang::system_program::{transfer, Transfer};

use crate::errors::EscrowError;
use crate::events::{JobSlashed, SlashReason};
use crate::state::{Job, Provider};

/// Moves lamports of a wallet, which signs, into an account of this program.
pub fn deposit<'info>(
    system_program: &Program<'info, System>,
    from: AccountInfo<'info>,
    to: AccountInfo<'info>,
    lamports: u64,
) -> Result<()> {
    transfer(CpiContext::new(system_program.to_account_info(), Transfer { from, to }), lamports)
}

/// Pays the provider out of the job. Returns what was paid; the rest goes to the client when the account is closed.
pub fn settle(job: &Account<Job>, provider: &mut Account<Provider>, authority: &AccountInfo) -> Result<u64> {
    let paid = job.payout();
    job.sub_lamports(paid)?;
    if can_hold(authority, paid)? {
        authority.add_lamports(paid)?;
    } else if paid > 0 {
        provider.add_lamports(paid)?;
        provider.add_stake(paid)?;
    }
    provider.job_completed(job.stake_at_risk)?;
    Ok(paid)
}

/// Whether `lamports` more leave the account with its rent minimum. An emptied wallet cannot be given less, the whole
/// transaction would fail: then the payment goes to the stake, so that it never holds up the client's own money.
fn can_hold(account: &AccountInfo, lamports: u64) -> Result<bool> {
    Ok(account.lamports() > 0 || lamports >= Rent::get()?.minimum_balance(account.data_len()))
}

/// The accounts of a proven fault.
pub struct Slash<'a, 'info> {
    pub job: &'a Account<'info, Job>,
    pub provider: &'a mut Account<'info, Provider>,
    pub client: &'a AccountInfo<'info>,
    pub incinerator: &'a AccountInfo<'info>,
}

impl Slash<'_, '_> {
    /// Takes the stake at risk: as much as the amount to the client, the rest burnt. The amount itself goes back when
    /// the job's account is closed.
    pub fn execute(self, reason: SlashReason) -> Result<()> {
        let Self { job, provider, client, incinerator } = self;
        let compensation = job.amount;
        let burnt = job.stake_at_risk.checked_sub(compensation).ok_or(EscrowError::MathOverflow)?;
        provider.job_slashed(job.stake_at_risk)?;
        provider.sub_lamports(job.stake_at_risk)?;
        client.add_lamports(compensation)?;
        incinerator.add_lamports(burnt)?;
        emit!(JobSlashed {
            job: job.key(),
            job_id: job.job_id,
            client: job.client,
            provider: job.provider,
            reason,
            refunded: job.amount,
            compensation,
            burnt,
        });
        Ok(())
    }
}
