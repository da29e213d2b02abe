"""What Stripe's quickstart for real-time authorizations does, as small as it comes, on Flask.

Verify and build the event with construct_event, approve up to 10.00, keep nothing.
"""

import os

import stripe
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
SECRET = os.environ["STRIPE_WEBHOOK_SECRET"]


@app.post("/webhook")
def webhook() -> tuple[Response, int, dict[str, str]]:
    event = stripe.Webhook.construct_event(
        request.data, request.headers["Stripe-Signature"], SECRET
    )
    approved = False
    if event["type"] == "issuing_authorization.request":
        approved = event["data"]["object"]["pending_request"]["amount"] <= 1000
    return jsonify(approved=approved), 200, {"Stripe-Version": "2022-08-01"}
