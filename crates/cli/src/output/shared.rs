//! A sink that a format's writer owns and that its owner still can flush.

use std::cell::RefCell;
use std::io::{self, BufWriter, Write};
use std::rc::Rc;

/// One of several hands on a sink, on one thread.
pub(crate) struct Shared<W: Write>(Rc<RefCell<BufWriter<W>>>);

impl<W: Write> Shared<W> {
    /// The first hand on `sink`; a clone is another.
    pub(crate) fn new(sink: BufWriter<W>) -> Self {
        Self(Rc::new(RefCell::new(sink)))
    }
}

impl<W: Write> Clone for Shared<W> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<W: Write> Write for Shared<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}
