// A script is a file of its own: the board's pages let none run from within the HTML.
const { hello } = await (await fetch("api/hello?name=you")).json();
document.getElementById("hello").textContent = hello;
