//! The footer: found, bounded and looked over before the `parquet` crate builds anything from it.
//!
//! A Parquet file ends with its metadata, four bytes of their length and the magic number (Parquet format, "File
//! format"). An encrypted footer has the magic number `PARE` instead (Parquet modular encryption, §5.4).

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};

use super::limits;
use super::reads::Reads;
use super::thrift::{self, Trouble};

/// Bytes of the magic number.
pub const MAGIC: u64 = 4;
/// Bytes after the metadata: their length and the magic number.
const TAIL: u64 = 8;

/// A footer that can be built on.
#[derive(Debug)]
pub struct Footer {
    /// What it says.
    pub metadata: ParquetMetaData,
    /// Where it begins; it lasts to the end of the file.
    pub at: u64,
}

/// Why there is none.
#[derive(Debug)]
pub enum NoFooter {
    /// It is encrypted: the inside cannot be looked at.
    Encrypted,
    /// It is damaged, absent or over a limit.
    Unreadable(String),
}

impl From<std::io::Error> for NoFooter {
    fn from(error: std::io::Error) -> Self {
        NoFooter::Unreadable(format!("its footer cannot be read: {error}"))
    }
}

/// Reads the footer of a file that begins as a Parquet file does.
pub fn read(reads: &Reads) -> Result<Footer, NoFooter> {
    let unreadable = |what: &str| NoFooter::Unreadable(what.to_string());
    if reads.len < MAGIC + TAIL {
        return Err(unreadable("it is too short to be a Parquet file"));
    }
    let tail = reads.exactly(reads.len - TAIL, TAIL as usize)?;
    match &tail[4..] {
        b"PAR1" => {}
        b"PARE" => return Err(NoFooter::Encrypted),
        _ => {
            return Err(unreadable(
                "it begins as a Parquet file and does not end as one: it may be cut short",
            ));
        }
    }
    let len = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if len > reads.len - MAGIC - TAIL {
        return Err(unreadable("its footer is said to be longer than the file"));
    }
    if len > limits::FOOTER {
        return Err(unreadable("its footer is over the limit of 64 MiB"));
    }
    let at = reads.len - TAIL - len;
    // At most the limit, so it fits.
    let bytes = reads.exactly(at, len as usize)?;
    thrift::look_over_footer(&bytes).map_err(|trouble| match trouble {
        Trouble::Short => unreadable("its footer is damaged: it ends too soon"),
        Trouble::Bad(what) => NoFooter::Unreadable(format!("its footer is damaged: {what}")),
    })?;
    // Statistics are not needed, and are what decoders of damaged metadata trip over.
    let mut options = ParquetMetaDataOptions::new();
    options.set_column_stats_policy(ParquetStatisticsPolicy::SkipAll);
    options.set_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
    options.set_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        ParquetMetaDataReader::decode_metadata_with_options(&bytes, Some(&options))
    }));
    match decoded {
        Ok(Ok(metadata)) => Ok(Footer { metadata, at }),
        Ok(Err(error)) => Err(NoFooter::Unreadable(format!("its footer is damaged: {error}"))),
        Err(_) => Err(unreadable("its footer is damaged: the decoder gave up on it")),
    }
}
