use anchor_lang::prelude::*;

use super::signatures::require_signatures;
use super::transfers::Slash;
use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::SlashReason;
use crate::logic::ed25519::Expected;
use crate::logic::equivocation::is_equivocation;
use crate::logic::head::{Head, HEAD_SIZE};
use crate::logic::message::{signed_message, HEAD_KIND};
use crate::state::{Job, JobStatus, Provider};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct SlashEquivocationArgs {
    /// Body of one head. Both are signed in the instruction before, in this order.
    pub first: [u8; HEAD_SIZE],
    /// Body of the other.
    pub second: [u8; HEAD_SIZE],
}

#[derive(Accounts)]
pub struct SlashEquivocation<'info> {
    /// CHECK: only receives lamports; it is the job's client, whatever owns it by now.
    #[account(mut)]
    pub client: UncheckedAccount<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, job.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    /// CHECK: lamports sent to this address are destroyed.
    #[account(mut, address = solana_sdk_ids::incinerator::ID)]
    pub incinerator: UncheckedAccount<'info>,
    #[account(
        mut,
        has_one = client @ EscrowError::Unauthorized,
        seeds = [JOB_SEED, job.client.as_ref(), &job.job_id],
        bump = job.bump,
        close = client
    )]
    pub job: Box<Account<'info, Job>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
}

impl SlashEquivocation<'_> {
    fn validate(&self, args: &SlashEquivocationArgs) -> Result<()> {
        self.job.require_status(JobStatus::Submitted)?;
        require!(args.first != args.second, EscrowError::SameHead);
        let first = require_head(&self.job, &args.first)?;
        let second = require_head(&self.job, &args.second)?;
        let messages = [&args.first, &args.second].map(|body| signed_message(HEAD_KIND, &self.job.job_id, body));
        let expected = messages.each_ref().map(|message| Expected { key: &self.job.peer, message });
        require_signatures(&self.instructions, &expected)?;
        require!(is_equivocation(&first, &second), EscrowError::HeadsAgree);
        Ok(())
    }

    /// Takes the stake of a provider that signed two heads of one job that contradict each other. Anyone may call it.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn slash_equivocation(ctx: Context<Self>, args: SlashEquivocationArgs) -> Result<()> {
        let SlashEquivocation { client, provider, incinerator, job, .. } = ctx.accounts;
        Slash { job, provider, client, incinerator }.execute(SlashReason::Equivocation)
    }
}

/// The head, which must name this job.
pub(super) fn require_head(job: &Job, body: &[u8; HEAD_SIZE]) -> Result<Head> {
    let head = Head::parse(body)?;
    require!(head.job_id == job.job_id, EscrowError::MessageMismatch);
    Ok(head)
}
