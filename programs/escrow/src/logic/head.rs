//! Tree heads (protocol section 4.2): a body of 202 bytes at fixed offsets.

use super::reader::Reader;
use crate::errors::EscrowError;

pub const HEAD_SIZE: usize = 202;
/// `finish` of an answer that the client stopped.
pub const FINISH_STOPPED: u8 = 2;
/// `finish` of a scored answer.
pub const FINISH_SCORED: u8 = 4;
/// The greatest `finish` of a final head.
pub const MAX_FINISH: u8 = 5;
/// `finish` of a head that more tokens follow.
pub const NOT_FINAL: u8 = 255;

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
        read(body).ok_or(EscrowError::MalformedHead)
    }

    /// The bytes that a provider signs.
    pub fn body(&self) -> [u8; HEAD_SIZE] {
        let parts: [&[u8]; 10] = [
            &[1],
            &self.job_id,
            &self.token_count.to_be_bytes(),
            &self.root,
            &self.prefix,
            &self.text_digest,
            &self.input_digest,
            &self.exec_class,
            &self.prompt_count.to_be_bytes(),
            &[self.finish],
        ];
        let mut body = [0; HEAD_SIZE];
        let mut at = 0;
        for part in parts {
            body[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        body
    }

    pub fn is_final(&self) -> bool {
        self.finish != NOT_FINAL
    }
}

fn read(body: &[u8]) -> Option<Head> {
    let mut reader = Reader::new(body);
    let version = reader.u8()?;
    let head = Head {
        job_id: reader.array()?,
        token_count: reader.u32()?,
        root: reader.array()?,
        prefix: reader.array()?,
        text_digest: reader.array()?,
        input_digest: reader.array()?,
        exec_class: reader.array()?,
        prompt_count: reader.u32()?,
        finish: reader.u8()?,
    };
    (version == 1 && reader.is_empty() && is_finish(head.finish)).then_some(head)
}

/// Whether a head can state this `finish`.
pub fn is_finish(finish: u8) -> bool {
    matches!(finish, 0..=MAX_FINISH | NOT_FINAL)
}
