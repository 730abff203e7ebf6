use anchor_lang::prelude::*;

use super::transfers::{pay, pay_provider};
use crate::constants::{CHANNEL_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::ChannelFinished;
use crate::state::{Channel, Provider};

#[derive(Accounts)]
pub struct ChannelFinish<'info> {
    /// CHECK: only receives lamports; it is the channel's payer, whatever owns it by now.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, channel.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    /// CHECK: lamports sent to this address are destroyed.
    #[account(mut, address = solana_sdk_ids::incinerator::ID)]
    pub incinerator: UncheckedAccount<'info>,
    #[account(
        mut,
        has_one = payer @ EscrowError::Unauthorized,
        seeds = [CHANNEL_SEED, &channel.id],
        bump = channel.bump,
        close = payer
    )]
    pub channel: Box<Account<'info, Channel>>,
}

impl ChannelFinish<'_> {
    fn validate(&self) -> Result<()> {
        self.channel.require_finishable(Clock::get()?.unix_timestamp)
    }

    /// Ends a channel whose payer had its time to object: its silence pays what is committed. Anyone may call it.
    #[access_control(ctx.accounts.validate())]
    pub fn channel_finish(ctx: Context<Self>) -> Result<()> {
        let ChannelFinish { provider, incinerator, channel, .. } = ctx.accounts;
        let shares = channel.final_shares()?;
        pay_provider(&channel.to_account_info(), provider, shares.provider)?;
        pay(&channel.to_account_info(), incinerator, shares.burnt)?;
        provider.count_earned(shares.provider);
        provider.count_rejected(shares.burnt);
        provider.unlock_stake(channel.stake_at_risk)?;
        provider.invariant()?;
        let settled = channel.settled.saturating_add(shares.provider);
        emit!(ChannelFinished {
            channel: channel.key(),
            id: channel.id,
            payer: channel.payer,
            provider: channel.provider,
            paid: shares.provider,
            settled,
            burnt: shares.burnt,
            refunded: channel.deposit.saturating_sub(settled).saturating_sub(shares.burnt),
        });
        Ok(())
    }
}
