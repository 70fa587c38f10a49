"""A client: asks for predictions until it is told to stop, and prints every ten seconds which versions have answered.

python3 ask.py http://GATEWAY/tumours/predict [SECONDS]
"""

import collections
import http.client
import json
import random
import sys
import time
import urllib.error
import urllib.request

COLUMNS = {"radius": 14, "texture": 19, "smoothness": 0.1, "concavity": 0.1, "symmetry": 0.2}

url, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 600.0
started = printed = time.monotonic()
answered: collections.Counter[str] = collections.Counter()
while time.monotonic() - started < seconds:
    row = {name: round(middle * random.uniform(0.7, 1.3), 3) for name, middle in COLUMNS.items()}
    request = urllib.request.Request(url, json.dumps({"rows": [row]}).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            answered[f"version {json.load(response)['version']}"] += 1
    except urllib.error.HTTPError as error:
        answered[f"status {error.code}"] += 1
    except (OSError, http.client.HTTPException) as error:
        answered[f"no answer ({error})"] += 1
    if time.monotonic() - printed > 10:
        printed = time.monotonic()
        print(f"{printed - started:4.0f} s ", dict(answered), flush=True)
        answered.clear()
    time.sleep(0.05)
print(f"{time.monotonic() - started:4.0f} s ", dict(answered))
