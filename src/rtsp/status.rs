//! Status codes and their reason phrases (RFC 2326 sections 7.1.1 and 11).

use std::fmt;

macro_rules! statuses {
    ($($name:ident = $code:literal $phrase:literal),* $(,)?) => {
        /// What an answer says first: one of the codes of RFC 2326 section 7.1.1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Status {
            $(#[doc = $phrase] $name = $code,)*
        }

        impl Status {
            /// Every status, in the order of the codes.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The reason phrase of RFC 2326 section 7.1.1.
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $phrase,)*
                }
            }
        }
    };
}

statuses! {
    Continue = 100 "Continue",
    Ok = 200 "OK",
    Created = 201 "Created",
    LowOnStorageSpace = 250 "Low on Storage Space",
    MultipleChoices = 300 "Multiple Choices",
    MovedPermanently = 301 "Moved Permanently",
    MovedTemporarily = 302 "Moved Temporarily",
    SeeOther = 303 "See Other",
    NotModified = 304 "Not Modified",
    UseProxy = 305 "Use Proxy",
    BadRequest = 400 "Bad Request",
    Unauthorized = 401 "Unauthorized",
    PaymentRequired = 402 "Payment Required",
    Forbidden = 403 "Forbidden",
    NotFound = 404 "Not Found",
    MethodNotAllowed = 405 "Method Not Allowed",
    NotAcceptable = 406 "Not Acceptable",
    ProxyAuthenticationRequired = 407 "Proxy Authentication Required",
    RequestTimeOut = 408 "Request Time-out",
    Gone = 410 "Gone",
    LengthRequired = 411 "Length Required",
    PreconditionFailed = 412 "Precondition Failed",
    RequestEntityTooLarge = 413 "Request Entity Too Large",
    RequestUriTooLarge = 414 "Request-URI Too Large",
    UnsupportedMediaType = 415 "Unsupported Media Type",
    ParameterNotUnderstood = 451 "Parameter Not Understood",
    ConferenceNotFound = 452 "Conference Not Found",
    NotEnoughBandwidth = 453 "Not Enough Bandwidth",
    SessionNotFound = 454 "Session Not Found",
    MethodNotValidInThisState = 455 "Method Not Valid in This State",
    HeaderFieldNotValidForResource = 456 "Header Field Not Valid for Resource",
    InvalidRange = 457 "Invalid Range",
    ParameterIsReadOnly = 458 "Parameter Is Read-Only",
    AggregateOperationNotAllowed = 459 "Aggregate operation not allowed",
    OnlyAggregateOperationAllowed = 460 "Only aggregate operation allowed",
    UnsupportedTransport = 461 "Unsupported transport",
    DestinationUnreachable = 462 "Destination unreachable",
    InternalServerError = 500 "Internal Server Error",
    NotImplemented = 501 "Not Implemented",
    BadGateway = 502 "Bad Gateway",
    ServiceUnavailable = 503 "Service Unavailable",
    GatewayTimeOut = 504 "Gateway Time-out",
    RtspVersionNotSupported = 505 "RTSP Version not supported",
    OptionNotSupported = 551 "Option not supported",
}

impl Status {
    /// The three digits.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// Whether the request was carried out (2xx).
    pub const fn is_success(self) -> bool {
        self.code() / 100 == 2
    }
}

/// As the status line has it: `404 Not Found`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_44_codes_of_the_rfc_in_order() {
        let codes: Vec<u16> = Status::ALL.iter().map(|status| status.code()).collect();
        assert_eq!(codes.len(), 44, "{codes:?}");
        assert!(codes.is_sorted(), "{codes:?}");
        assert_eq!(Status::UnsupportedTransport.to_string(), "461 Unsupported transport");
        assert!(Status::LowOnStorageSpace.is_success() && !Status::Continue.is_success());
    }
}
