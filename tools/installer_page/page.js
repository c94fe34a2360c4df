// Says which chips there is something for.
const { builds } = await (await fetch("manifest.json")).json();
document.getElementById("chips").textContent = builds.map((build) => build.chipFamily).join(", ");
