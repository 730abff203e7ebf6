use anchor_lang::prelude::*;

use super::signatures::require_ack;
use super::transfers::pay_provider;
use crate::constants::{CHANNEL_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::ChannelClosed;
use crate::logic::ack::{Ack, ACK_SIZE};
use crate::state::{Channel, Provider};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ChannelCloseArgs {
    /// Body of the last acknowledgement, which the client's node signed: in the instruction before.
    pub ack: [u8; ACK_SIZE],
}

#[derive(Accounts)]
pub struct ChannelClose<'info> {
    #[account(address = channel.provider @ EscrowError::Unauthorized)]
    pub authority: Signer<'info>,
    /// CHECK: only receives lamports; it is the channel's payer, whatever owns it by now.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, channel.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    #[account(
        mut,
        has_one = payer @ EscrowError::Unauthorized,
        seeds = [CHANNEL_SEED, &channel.id],
        bump = channel.bump,
        close = payer
    )]
    pub channel: Box<Account<'info, Channel>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
}

impl ChannelClose<'_> {
    fn validate(&self, args: &ChannelCloseArgs) -> Result<()> {
        let channel = &self.channel;
        channel.require_closable(Clock::get()?.unix_timestamp)?;
        channel.require_unchallenged()?;
        channel.require_final_ack(&require_ack(&self.instructions, &args.ack, &channel.client_peer)?)
    }

    /// Closes a channel that both sides are done with, at once: the client signed that it objects to nothing.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn channel_close(ctx: Context<Self>, args: ChannelCloseArgs) -> Result<()> {
        let ChannelClose { provider, channel, .. } = ctx.accounts;
        channel.acknowledge(&Ack::parse(&args.ack)?);
        let paid = channel.settle()?;
        channel.invariant()?;
        pay_provider(&channel.to_account_info(), provider, paid)?;
        provider.count_earned(paid);
        provider.unlock_stake(channel.stake_at_risk)?;
        provider.invariant()?;
        emit!(ChannelClosed {
            channel: channel.key(),
            id: channel.id,
            payer: channel.payer,
            provider: channel.provider,
            paid,
            settled: channel.settled,
            refunded: channel.deposit.saturating_sub(channel.settled),
        });
        Ok(())
    }
}
