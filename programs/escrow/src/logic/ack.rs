//! Acknowledgements (protocol sections 4 and 9): a body of 86 bytes at fixed offsets.

use super::reader::Reader;
use crate::errors::EscrowError;

pub const ACK_SIZE: usize = 86;

/// `stop`: end the answer here.
pub const STOP_ANSWER: u8 = 1;
/// `stop`: close the channel; the client objects to nothing.
pub const STOP_CHANNEL: u8 = 2;

/// What a client says that it received and owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Zeros with `STOP_CHANNEL`.
    pub job_id: [u8; 32],
    /// Tokens received.
    pub n: u32,
    pub stop: u8,
    /// The channel's id, or zeros.
    pub account: [u8; 32],
    /// Lamports, the channel's total.
    pub committed: u64,
    /// Lamports, the channel's total.
    pub released: u64,
}

impl Ack {
    pub fn parse(body: &[u8]) -> Result<Self, EscrowError> {
        read(body).ok_or(EscrowError::MalformedAck)
    }

    pub fn names_channel(&self) -> bool {
        self.account != [0; 32]
    }
}

fn read(body: &[u8]) -> Option<Ack> {
    let mut reader = Reader::new(body);
    let version = reader.u8()?;
    let ack = Ack {
        job_id: reader.array()?,
        n: reader.u32()?,
        stop: reader.u8()?,
        account: reader.array()?,
        committed: reader.u64()?,
        released: reader.u64()?,
    };
    let totals_fit = ack.released <= ack.committed && (ack.names_channel() || ack.committed == 0);
    let stop_fits = match ack.stop {
        0 | STOP_ANSWER => true,
        STOP_CHANNEL => ack.names_channel() && ack.job_id == [0; 32] && ack.n == 0,
        _ => false,
    };
    (version == 1 && reader.is_empty() && totals_fit && stop_fits).then_some(ack)
}
