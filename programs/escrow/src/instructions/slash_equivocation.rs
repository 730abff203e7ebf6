use anchor_lang::prelude::*;

use super::signatures::require_signatures;
use super::slash::*;
use crate::events::SlashReason;
use crate::logic::ed25519::Expected;
use crate::logic::head::{Head, HEAD_SIZE};
use crate::logic::message::{signed_message, HEAD_KIND};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct SlashEquivocationArgs {
    /// Body of a head of this job.
    pub first: [u8; HEAD_SIZE],
    /// Body of another. Without it, the delivery that the chain keeps is the other. All that are given are signed in the
    /// instruction before, in this order.
    pub second: Option<[u8; HEAD_SIZE]>,
}

#[derive(Accounts)]
pub struct SlashEquivocation<'info> {
    pub slash: Slash<'info>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
}

impl SlashEquivocation<'_> {
    fn validate(&self, args: &SlashEquivocationArgs) -> Result<()> {
        self.slash.validate(Clock::get()?.unix_timestamp)?;
        let delivered = self.slash.subject.delivered()?;
        let first = Head::parse(&args.first)?;
        let second = args.second.as_ref().map(|body| Head::parse(body)).transpose()?;
        let terms = delivered.terms();
        let bodies = [Some(&args.first), args.second.as_ref()];
        let messages = bodies.map(|body| body.map(|body| signed_message(HEAD_KIND, &terms.job_id, body)));
        let expected: Vec<Expected> =
            messages.iter().flatten().map(|message| Expected { key: &terms.peer, message }).collect();
        require_signatures(&self.instructions, &expected)?;
        delivered.require_equivocation(&first, second.as_ref())
    }

    /// Takes the stake of a provider that signed heads of one job that contradict each other, or what it delivered.
    /// Anyone may call it.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn slash_equivocation(ctx: Context<Self>, args: SlashEquivocationArgs) -> Result<()> {
        ctx.accounts.slash.execute(SlashReason::Equivocation)
    }
}
