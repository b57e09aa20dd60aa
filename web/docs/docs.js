// Shows the service's own description. The addresses are relative, so that a path prefix of a proxy does no harm.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dress);
dress();

SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // The badge would send the description to a host on the internet.
  validatorUrl: null,
  // Nothing in the address bar may make this page show another service's description.
  queryConfigEnabled: false,
});
