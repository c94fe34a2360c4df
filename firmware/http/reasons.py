"""The reason phrases of statuses, loaded by the first answer that is not an everyday one."""

# RFC 9110 section 15, RFC 4918, RFC 6585, RFC 8470 and RFC 7725, with the phrases of the IANA registry.
# In one constant: a dict of them would take six times the memory.
REASONS = (
    b"100 Continue\n101 Switching Protocols\n200 OK\n201 Created\n202 Accepted\n"
    b"203 Non-Authoritative Information\n204 No Content\n205 Reset Content\n206 Partial Content\n"
    b"300 Multiple Choices\n301 Moved Permanently\n302 Found\n303 See Other\n304 Not Modified\n"
    b"307 Temporary Redirect\n308 Permanent Redirect\n400 Bad Request\n401 Unauthorized\n402 Payment Required\n"
    b"403 Forbidden\n404 Not Found\n405 Method Not Allowed\n406 Not Acceptable\n"
    b"407 Proxy Authentication Required\n408 Request Timeout\n409 Conflict\n410 Gone\n411 Length Required\n"
    b"412 Precondition Failed\n413 Content Too Large\n414 URI Too Long\n415 Unsupported Media Type\n"
    b"416 Range Not Satisfiable\n417 Expectation Failed\n418 I'm a teapot\n421 Misdirected Request\n"
    b"422 Unprocessable Content\n425 Too Early\n426 Upgrade Required\n428 Precondition Required\n"
    b"429 Too Many Requests\n431 Request Header Fields Too Large\n451 Unavailable For Legal Reasons\n"
    b"500 Internal Server Error\n501 Not Implemented\n502 Bad Gateway\n503 Service Unavailable\n"
    b"504 Gateway Timeout\n505 HTTP Version Not Supported\n507 Insufficient Storage\n"
)
