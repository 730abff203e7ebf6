use anchor_lang::prelude::*;

use super::transfers::deposit;
use crate::constants::CHANNEL_SEED;
use crate::errors::EscrowError;
use crate::events::ChannelToppedUp;
use crate::state::Channel;

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ChannelTopUpArgs {
    /// Lamports.
    pub amount: u64,
}

#[derive(Accounts)]
pub struct ChannelTopUp<'info> {
    #[account(mut)]
    pub payer: Signer<'info>,
    #[account(
        mut,
        has_one = payer @ EscrowError::Unauthorized,
        seeds = [CHANNEL_SEED, &channel.id],
        bump = channel.bump
    )]
    pub channel: Box<Account<'info, Channel>>,
    pub system_program: Program<'info, System>,
}

impl ChannelTopUp<'_> {
    /// Adds to the deposit.
    pub fn channel_top_up(ctx: Context<Self>, args: ChannelTopUpArgs) -> Result<()> {
        let ChannelTopUp { payer, channel, system_program } = ctx.accounts;
        channel.top_up(args.amount)?;
        channel.invariant()?;
        deposit(system_program, payer.to_account_info(), channel.to_account_info(), args.amount)?;
        emit!(ChannelToppedUp {
            channel: channel.key(),
            id: channel.id,
            payer: channel.payer,
            provider: channel.provider,
            amount: args.amount,
            deposit: channel.deposit,
        });
        Ok(())
    }
}
