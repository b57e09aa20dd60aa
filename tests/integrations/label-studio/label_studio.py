"""Label Studio with a running `dateline serve` as its backend: label_studio.py LABEL_STUDIO TOKEN BACKEND KEY [PNG].

A project is made, the backend connected, tasks imported and predicted, all by Label Studio's own interface. Every region
has to be a slice of its text in code points; then a browser opens the tasks, and what the editor highlights has to be the
same words. With PNG that page is kept as a picture.
"""

import pathlib
import sys

import requests
from playwright.sync_api import sync_playwright

TEXTS = [
    "🚀🇺🇦 In Bakhmut 👩‍🚒 the 93rd Mechanized Brigade fired HIMARS at Donetsk, Gen. Oleksandr Syrskyi said. 🔥",
    "KYIV —\tVolodymyr Zelensky spoke.\r\n\r\nLeopard 2 tanks arrived in Lviv & Odesa <today>.",
    "Jose\u0301 Ángel Gurría met 🛰️ the 3rd Assault Brigade in Kyiv — قال — and left for Kharkiv.",
]
NO_TEXT = {"title": "no text", "text": ""}
LABELS = {"Person", "Location", "Unit", "Weapon"}


class LabelStudio:
    def __init__(self, url, token):
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Token {token}"

    def ask(self, method, path, **arguments):
        answer = self.session.request(method, self.url + path, timeout=120, **arguments)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json() if answer.content else None


def connect(studio, project, backend, key):
    """A backend without the right key is refused, with it it is connected."""
    wrong = {"project": project, "url": backend, "title": "dateline", "auth_method": "BASIC_AUTH"}
    wrong |= {"basic_auth_user": "label-studio", "basic_auth_pass": "dl_wrong"}
    answer = studio.session.post(f"{studio.url}/api/ml", json=wrong, timeout=60)
    assert answer.status_code == 400 and "authentication" in answer.text, answer.text
    made = studio.ask("POST", "/api/ml", json=wrong | {"basic_auth_pass": key})
    connected = studio.ask("GET", f"/api/ml/{made['id']}")
    assert connected["state"] == "CO" and connected["error_message"] is None, connected
    versions = studio.ask("GET", f"/api/ml/{made['id']}/versions")
    assert versions["versions"] == ["dateline-en-small"], versions
    return made["id"]


def predictions_are_slices(studio, project):
    tasks = studio.ask("GET", f"/api/tasks?project={project}&fields=all&page_size=100")["tasks"]
    assert len(tasks) == len(TEXTS) + 1, tasks
    seen = set()
    for task in tasks:
        [prediction] = task["predictions"]
        assert prediction["model_version"] == "dateline-en-small", prediction
        text = task["data"].get("text")
        if not text:
            assert prediction["result"] == [], prediction
            continue
        assert prediction["result"] and 0 < prediction["score"] <= 1, prediction
        for region in prediction["result"]:
            value = region["value"]
            assert text[value["start"] : value["end"]] == value["text"], region
            assert (region["from_name"], region["to_name"], region["type"]) == ("label", "text", "labels"), region
            seen.update(value["labels"])
        ids = [region["id"] for region in prediction["result"]]
        assert len(set(ids)) == len(ids), ids
    assert seen == LABELS, seen
    return tasks


def editor_highlights_the_same(studio, project, tasks, user, password, picture):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(120_000)
        page.goto(f"{studio.url}/user/login/")
        page.fill("input[name=email]", user)
        page.fill("input[name=password]", password)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/login" not in url)
        for task in tasks:
            if not task["data"]["text"]:
                continue
            regions = task["predictions"][0]["result"]
            page.goto(f"{studio.url}/projects/{project}/data?task={task['id']}")
            page.locator(".htx-highlight").nth(len(regions) - 1).wait_for()
            shown = page.eval_on_selector_all(".htx-highlight", "spans => spans.map(span => span.textContent)")
            assert sorted(shown) == sorted(region["value"]["text"] for region in regions), (shown, regions)
            if picture and task["data"]["text"] == TEXTS[0]:
                page.screenshot(path=picture)
        browser.close()


def main():
    url, token, user, password, backend, key, *picture = sys.argv[1:]
    studio = LabelStudio(url, token)
    interface = pathlib.Path(__file__).with_name("interface.xml").read_text()
    project = studio.ask("POST", "/api/projects", json={"title": "Dateline", "label_config": interface})["id"]
    connect(studio, project, backend, key)
    tasks = [{"data": {"title": f"Report {number}", "text": text}} for number, text in enumerate(TEXTS, 1)]
    studio.ask("POST", f"/api/projects/{project}/import", json=[*tasks, {"data": NO_TEXT}])
    action = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
    studio.ask("POST", action, json={"selectedItems": {"all": True, "excluded": []}})
    tasks = predictions_are_slices(studio, project)
    print("predictions through Label Studio: ok")
    editor_highlights_the_same(studio, project, tasks, user, password, *(picture or [None]))
    print("the editor highlights the same words: ok")


main()
