// What is done with Thunderbird, in its own window: its wizard by its fields and buttons, mail by the calls behind its menus.
const { MailServices: mail } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

const until = async (look, what) => {
  const end = Date.now() + 90000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`awaited in vain: ${what}`);
    await new Promise((resolve) => window.setTimeout(resolve, 100));
  }
};

// -- the wizard ("account hub") ------------------------------------------------------------------------------

const hub = () => document.querySelector("account-hub-container")?.modal?.querySelector("account-hub-email");
const step = () => [...(hub()?.querySelectorAll(".account-hub-step") ?? [])].find((one) => !one.hidden);
const part = () => step()?.localName;
const idle = () => !hub().classList.contains("busy");
const arrived = (...parts) => until(() => parts.includes(part()) && idle() && part(), parts.join(" or "));
const forward = () => hub().querySelector("#emailFooter #forward").click();
const fill = (field, value) => {
  const input = step().querySelector(field);
  input.value = value;
  input.dispatchEvent(new window.Event("input", { bubbles: true }));
};
const said = () => {
  const note = step().shadowRoot.querySelector("account-hub-header").shadowRoot.querySelector("#emailFormNotification");
  return note.hidden ? "" : note.querySelector("#emailFormNotificationTitle").textContent.trim();
};

const openWizard = async () => {
  if (mail.accounts.accounts.length) window.openAccountHub("MAIL"); // with none it opens by itself
  await until(() => part() == "email-auto-form" && idle(), "the wizard");
};
const findSettings = async (name, address) => {
  fill("#realName", name);
  fill("#email", address);
  forward();
  return arrived("email-config-found", "email-manual-incoming-form");
};
const choose = (kind) => step().querySelector(`input[value=${kind}]`).click();
const shown = (id) => step().querySelector(`#${id}`).textContent.trim();
const settings = () => ({
  incoming: `${shown("incomingType")} ${shown("incomingHost")}:${shown("incomingPort")}`,
  outgoing: `${shown("outgoingType")} ${shown("outgoingHost")}:${shown("outgoingPort")}`,
  details: step().querySelector("#configSelection").innerText,
});
const logIn = async (password) => {
  if (part() != "email-password-form") forward();
  await arrived("email-password-form");
  fill("#password", password);
  if (!step().querySelector("#rememberPassword").checked) step().querySelector("#rememberPassword").click();
  forward();
  await until(() => !idle() || part() != "email-password-form", "the login to begin");
  await arrived("email-password-form", "email-added-success");
  return part() == "email-added-success" ? "" : said();
};
const finish = async () => {
  forward();
  await until(() => !document.querySelector("account-hub-container").modal.open, "the wizard to close");
};

// -- mail ----------------------------------------------------------------------------------------------------

const account = (address) => mail.accounts.accounts.find((one) => one.defaultIdentity?.email == address);
const root = (address) => account(address).incomingServer.rootFolder;
const folder = (address, flag) => root(address).getFolderWithFlags(Ci.nsMsgFolderFlags[flag]);
const message = (place, subject) => [...place.messages].find((one) => one.mime2DecodedSubject == subject);
const known = (address, flag) => until(() => folder(address, flag), flag);
const seen = (place, subject) => until(() => message(place, subject), `${subject} in ${place.URI}`);
const fetched = (place, subject) => {
  let looks = 0; // asked for anew every five seconds: whether one asking got through, nobody says who is asked twice
  return until(() => {
    if (!message(place, subject) && looks++ % 50 == 0) place.updateFolder(window.msgWindow);
    return message(place, subject);
  }, `${subject} in ${place.URI}`);
};
const move = async (from, to, subject) => {
  const one = await fetched(from, subject);
  mail.copy.copyMessages(from, [one], to, true, null, window.msgWindow, false);
  await until(() => !message(from, subject), `${subject} to leave ${from.URI}`);
};
const remove = async (from, subject) => {
  const one = await seen(from, subject);
  from.deleteMessages([one], window.msgWindow, false, false, null, false);
  await until(() => !message(from, subject), `${subject} to leave ${from.URI}`);
};
const popped = async (address, subject) => {
  const inbox = await known(address, "Inbox");
  mail.pop3.GetNewMail(window.msgWindow, null, inbox, account(address).incomingServer);
  await seen(inbox, subject);
};
const search = (place, text) =>
  new Promise((resolve) => {
    const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
    session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, place);
    const term = session.createTerm();
    const value = term.value;
    term.attrib = value.attrib = Ci.nsMsgSearchAttrib.Body;
    term.op = Ci.nsMsgSearchOp.Contains;
    value.str = text;
    term.value = value;
    session.appendTerm(term);
    const hits = [];
    session.registerListener({
      QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
      onSearchHit: (one) => hits.push(one.mime2DecodedSubject),
      onSearchDone: () => resolve(hits),
      onNewSearch() {},
    });
    session.search(window.msgWindow);
  });

// -- writing -------------------------------------------------------------------------------------------------

const windows = () => [...Services.wm.getEnumerator("msgcompose")];
const compose = async (from, to, subject, body, command) => {
  const before = windows();
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
  const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
  Object.assign(fields, { to, subject, body });
  Object.assign(params, {
    composeFields: fields,
    identity: account(from).defaultIdentity,
    type: Ci.nsIMsgCompType.New,
    format: Ci.nsIMsgCompFormat.PlainText,
  });
  mail.compose.OpenComposeWindowWithParams(null, params);
  const writing = await until(() => windows().find((one) => !before.includes(one)), "the window to write in");
  await until(() => writing.composeEditorReady, "the editor");
  writing.goDoCommand(command);
  return writing;
};
const send = async (from, to, subject, body) => {
  const writing = await compose(from, to, subject, body, "cmd_sendNow");
  await until(() => writing.closed, `${subject} to be sent`);
};
const draft = async (from, to, subject, body) => {
  const writing = await compose(from, to, subject, body, "cmd_saveAsDraft");
  await fetched(await known(from, "Drafts"), subject);
  writing.close();
};
