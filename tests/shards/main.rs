//! What cursors tell of whole files: hostile archives, damage of every byte, pieces of every size.

mod damage;
mod hostile;
mod listing;
mod oracle;
