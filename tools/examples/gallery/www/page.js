const { pictures } = await (await fetch("api/pictures")).json();

for (const name of pictures) {
  const figure = document.createElement("figure");
  const image = document.createElement("img");
  image.src = `pictures/${encodeURIComponent(name)}`;
  image.alt = name;
  image.width = 300;
  const remove = document.createElement("button");
  remove.textContent = `Delete ${name}`;
  remove.onclick = async () => {
    await fetch(`api/pictures/${encodeURIComponent(name)}`, {method: "DELETE"});
    figure.remove();
  };
  figure.append(image, remove);
  document.getElementById("pictures").append(figure);
}
