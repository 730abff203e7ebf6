use anchor_lang::prelude::*;

use super::signatures::require_ack;
use super::transfers::pay_provider;
use crate::constants::{CHANNEL_SEED, PROVIDER_SEED};
use crate::events::ChannelSettled;
use crate::logic::ack::{Ack, ACK_SIZE};
use crate::state::{Channel, Provider};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ChannelSettleArgs {
    /// Body of an acknowledgement, which the client's node signed: in the instruction before.
    pub ack: [u8; ACK_SIZE],
}

#[derive(Accounts)]
pub struct ChannelSettle<'info> {
    #[account(mut, seeds = [PROVIDER_SEED, channel.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    #[account(mut, seeds = [CHANNEL_SEED, &channel.id], bump = channel.bump)]
    pub channel: Box<Account<'info, Channel>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
}

impl ChannelSettle<'_> {
    fn validate(&self, args: &ChannelSettleArgs) -> Result<()> {
        let ack = require_ack(&self.instructions, &args.ack, &self.channel.client_peer)?;
        self.channel.require_ack(&ack)
    }

    /// Takes in acknowledged totals, where they are larger, and pays what is released. Anyone may call it.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn channel_settle(ctx: Context<Self>, args: ChannelSettleArgs) -> Result<()> {
        let ChannelSettle { provider, channel, .. } = ctx.accounts;
        channel.acknowledge(&Ack::parse(&args.ack)?);
        let paid = channel.settle()?;
        channel.invariant()?;
        pay_provider(&channel.to_account_info(), provider, paid)?;
        provider.count_earned(paid);
        provider.invariant()?;
        emit!(ChannelSettled {
            channel: channel.key(),
            id: channel.id,
            payer: channel.payer,
            provider: channel.provider,
            committed: channel.committed,
            released: channel.released,
            paid,
        });
        Ok(())
    }
}
