use anchor_lang::prelude::*;

use crate::constants::CHANNEL_SEED;
use crate::errors::EscrowError;
use crate::events::ChannelRejected;
use crate::state::Channel;

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ChannelRejectArgs {
    /// Digest of the verdict that the client holds. Only recorded: no program can re-execute a model.
    pub verdict_digest: [u8; 32],
}

#[derive(Accounts)]
pub struct ChannelReject<'info> {
    pub payer: Signer<'info>,
    #[account(
        mut,
        has_one = payer @ EscrowError::Unauthorized,
        seeds = [CHANNEL_SEED, &channel.id],
        bump = channel.bump
    )]
    pub channel: Box<Account<'info, Channel>>,
}

impl ChannelReject<'_> {
    /// Has what is committed and not released burnt when the channel is finished.
    pub fn channel_reject(ctx: Context<Self>, args: ChannelRejectArgs) -> Result<()> {
        let channel = &mut ctx.accounts.channel;
        channel.reject(Clock::get()?.unix_timestamp)?;
        channel.invariant()?;
        emit!(ChannelRejected {
            channel: channel.key(),
            id: channel.id,
            payer: channel.payer,
            provider: channel.provider,
            verdict_digest: args.verdict_digest,
        });
        Ok(())
    }
}
