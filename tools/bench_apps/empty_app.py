"""Nothing: what is in use before anything of a server is there."""

from mark import mark

mark("empty")
