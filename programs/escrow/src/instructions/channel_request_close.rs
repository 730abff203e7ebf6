use anchor_lang::prelude::*;

use crate::constants::CHANNEL_SEED;
use crate::events::ChannelClosing;
use crate::state::Channel;

#[derive(Accounts)]
pub struct ChannelRequestClose<'info> {
    /// Payer or authority, or anyone once the channel has expired.
    pub caller: Signer<'info>,
    #[account(mut, seeds = [CHANNEL_SEED, &channel.id], bump = channel.bump)]
    pub channel: Box<Account<'info, Channel>>,
}

impl ChannelRequestClose<'_> {
    /// Begins to close a channel without the other side.
    pub fn channel_request_close(ctx: Context<Self>) -> Result<()> {
        let ChannelRequestClose { caller, channel } = ctx.accounts;
        channel.request_close(&caller.key(), Clock::get()?.unix_timestamp)?;
        channel.invariant()?;
        emit!(ChannelClosing {
            channel: channel.key(),
            id: channel.id,
            payer: channel.payer,
            provider: channel.provider,
            caller: caller.key(),
            closing_at: channel.closing_at,
        });
        Ok(())
    }
}
