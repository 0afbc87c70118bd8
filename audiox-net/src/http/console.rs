//! Pages in the program: files that a build puts into it, and what all of them have in common.
//!
//! | file | is |
//! | --- | --- |
//! | `/console/base.css` | the pages' style, light and dark |
//! | `/console/api.js` | requests with a token, which is asked for when one is missing; events |
//! | `/console/ui.js` | elements, messages, dialogs |
//! | `/console/socket.js` | a client of Socket.IO |
//! | `/console/meter.js` | `<level-meter>` |
//! | `/console/icon.svg` | the icon |

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

/// A file of a page.
#[derive(Debug, Clone, Copy)]
pub struct PageFile {
    /// Where it is found, as `/` or `/page.js`.
    pub path: &'static str,
    /// What is in it.
    pub text: &'static str,
}

impl PageFile {
    /// `text` at `path`, whose ending says of what kind it is: `.css`, `.js`, `.svg`; HTML
    /// otherwise.
    pub const fn new(path: &'static str, text: &'static str) -> Self {
        Self { path, text }
    }

    fn kind(&self) -> &'static str {
        match self.path.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        }
    }
}

/// Routes to a page's own files and to those that all pages share. They are for everybody: a page
/// holds no secrets, and asks for a token itself.
pub fn page(files: &[PageFile]) -> Router {
    let files = files.iter().chain(&SHARED);
    files.fold(Router::new(), |router, &file| {
        let answer =
            move || async move { ([(CONTENT_TYPE, file.kind())], file.text).into_response() };
        router.route(file.path, get(answer))
    })
}

const SHARED: [PageFile; 6] = [
    PageFile::new("/console/base.css", include_str!("console/base.css")),
    PageFile::new("/console/api.js", include_str!("console/api.js")),
    PageFile::new("/console/ui.js", include_str!("console/ui.js")),
    PageFile::new("/console/socket.js", include_str!("console/socket.js")),
    PageFile::new("/console/meter.js", include_str!("console/meter.js")),
    PageFile::new("/console/icon.svg", include_str!("console/icon.svg")),
];
