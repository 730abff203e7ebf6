//! Tree heads (protocol section 4.2): a body of 202 bytes at fixed offsets, integers big-endian.

use crate::errors::EscrowError;

pub const HEAD_SIZE: usize = 202;
/// `finish` of a head that more tokens follow.
pub const NOT_FINAL: u8 = 255;
/// `finish` of an answer that ended with a stop token.
pub const FINISH_STOP: u8 = 0;
/// `finish` of an answer that reached the most tokens allowed.
pub const FINISH_LENGTH: u8 = 1;
/// `finish` of an answer that the client cancelled.
pub const FINISH_CANCEL: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub job_id: [u8; 32],
    pub token_count: u32,
    pub root: [u8; 32],
    pub prefix: [u8; 32],
    pub text_digest: [u8; 32],
    pub input_digest: [u8; 32],
    pub exec_class: [u8; 32],
    pub prompt_count: u32,
    pub finish: u8,
}

impl Head {
    pub fn parse(body: &[u8]) -> Result<Self, EscrowError> {
        let finish = *body.last().ok_or(EscrowError::MalformedHead)?;
        if body.len() != HEAD_SIZE || body[0] != 1 || !matches!(finish, 0..=FINISH_CANCEL | NOT_FINAL) {
            return Err(EscrowError::MalformedHead);
        }
        let digest = |at: usize| std::array::from_fn(|i| body[at + i]);
        let integer = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| body[at + i]));
        Ok(Self {
            job_id: digest(1),
            token_count: integer(33),
            root: digest(37),
            prefix: digest(69),
            text_digest: digest(101),
            input_digest: digest(133),
            exec_class: digest(165),
            prompt_count: integer(197),
            finish,
        })
    }

    pub fn is_final(&self) -> bool {
        self.finish != NOT_FINAL
    }
}

/// Whether an answer of `count` tokens, of at most `max` allowed, can have ended this way (protocol section 4.1).
pub fn finish_fits(finish: u8, count: u32, max: u32) -> bool {
    match finish {
        FINISH_STOP => count >= 1,
        FINISH_LENGTH => count == max,
        FINISH_CANCEL => count < max,
        _ => false,
    }
}
