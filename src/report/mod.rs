//! Renderers: one file per format, each reading a finished report and deciding nothing.
