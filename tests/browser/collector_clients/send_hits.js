// Sends hits to the collector at argv[2] with universal-analytics, unchanged but for the host it talks to.
const universalAnalytics = require("universal-analytics");

const visitor = universalAnalytics("UA-10000-1", "35009a79-1a6d-49d7-b120-2b829d202652", {
  hostname: process.argv[2],
  uid: "user-1",
});

visitor
  .pageview({ dp: "/p/1?a=b&c", dt: "Käse & Brot", dh: "shop.example" })
  .event({ ec: "ecommerce", ea: "add", el: "SKU 1", ev: 42, p: "/p/1" })
  .transaction("T-1", "12.50", "2.00", "1.30", "shop")
  .item("3.10", 2, "SKU1", "One product", "blue")
  .exception("broken", true)
  .timing("load", "page", 123)
  .send((error, calls) => {
    if (error) throw error;
    // More than one hit goes to /batch, a single one to /collect.
    visitor.screenview("Home", "App").send((failure) => {
      if (failure) throw failure;
      console.log(JSON.stringify({ calls }));
    });
  });
