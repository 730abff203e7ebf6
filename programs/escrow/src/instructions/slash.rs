//! What a proven fault costs, whatever proves it.

use anchor_lang::prelude::*;

use super::subject::*;
use super::transfers::{pay, pay_provider, return_bond};
use crate::constants::PROVIDER_SEED;
use crate::errors::EscrowError;
use crate::events::{ChannelSlashed, JobSlashed, SlashReason};
use crate::state::{Channel, Job, Provider};

/// The accounts of a proven fault.
#[derive(Accounts)]
pub struct Slash<'info> {
    /// CHECK: only receives lamports; it is the wallet that paid or deposited, whatever owns it by now.
    #[account(mut)]
    pub funder: UncheckedAccount<'info>,
    /// CHECK: only receives lamports; it is the challenger of a job with an open challenge, else the funder again.
    #[account(mut)]
    pub challenger: UncheckedAccount<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, provider.authority.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    /// CHECK: lamports sent to this address are destroyed.
    #[account(mut, address = solana_sdk_ids::incinerator::ID)]
    pub incinerator: UncheckedAccount<'info>,
    pub subject: Subject<'info>,
}

impl<'info> Slash<'info> {
    /// That the accounts belong together and the subject can be slashed. The fault itself is proved elsewhere.
    pub fn validate(&self, now: i64) -> Result<()> {
        let funder = self.subject.funder()?;
        require_keys_eq!(self.funder.key(), funder, EscrowError::Unauthorized);
        let challenger = self.subject.job.as_ref().map_or(funder, |job| job.bond_owner());
        require_keys_eq!(self.challenger.key(), challenger, EscrowError::Unauthorized);
        self.subject.require_provider(&self.provider.authority)?;
        self.subject.channel.as_ref().map_or(Ok(()), |channel| channel.require_closable(now))
    }

    /// Takes all of the stake at risk: one tenth to the funder, nine tenths burnt. A provider that slashes itself through a
    /// second wallet loses.
    pub fn execute(&mut self, reason: SlashReason) -> Result<()> {
        let Self { funder, challenger, provider, incinerator, subject } = self;
        match subject.get_mut()? {
            SubjectMut::Job(job) => {
                let compensation = job.payout();
                let burnt = take_stake(provider, job.stake_at_risk, compensation, funder, incinerator)?;
                emit!(job_slashed(job, reason, compensation, burnt));
                return_bond(&job.to_account_info(), challenger, job.delivery.challenge.bond)?;
                job.close(funder.to_account_info())?;
            }
            SubjectMut::Channel(_, channel) => {
                let paid = channel.settle()?;
                pay_provider(&channel.to_account_info(), provider, paid)?;
                provider.count_earned(paid);
                let compensation = channel.window;
                let burnt = take_stake(provider, channel.stake_at_risk, compensation, funder, incinerator)?;
                emit!(channel_slashed(channel, reason, paid, compensation, burnt));
                channel.close(funder.to_account_info())?;
            }
        }
        provider.invariant()
    }
}

/// Returns what was burnt.
fn take_stake<'info>(
    provider: &mut Account<'info, Provider>,
    stake_at_risk: u64,
    compensation: u64,
    funder: &AccountInfo<'info>,
    incinerator: &AccountInfo<'info>,
) -> Result<u64> {
    let burnt = stake_at_risk.checked_sub(compensation).ok_or(EscrowError::MathOverflow)?;
    provider.slash(stake_at_risk)?;
    pay(&provider.to_account_info(), funder, compensation)?;
    pay(&provider.to_account_info(), incinerator, burnt)?;
    Ok(burnt)
}

fn job_slashed(job: &Account<Job>, reason: SlashReason, compensation: u64, burnt: u64) -> JobSlashed {
    JobSlashed {
        job: job.key(),
        job_id: job.terms.job_id,
        client: job.client,
        provider: job.provider,
        reason,
        refunded: job.amount,
        compensation,
        burnt,
    }
}

fn channel_slashed(
    channel: &Account<Channel>,
    reason: SlashReason,
    paid: u64,
    compensation: u64,
    burnt: u64,
) -> ChannelSlashed {
    ChannelSlashed {
        channel: channel.key(),
        id: channel.id,
        payer: channel.payer,
        provider: channel.provider,
        reason,
        paid,
        settled: channel.settled,
        refunded: channel.deposit.saturating_sub(channel.settled),
        compensation,
        burnt,
    }
}
