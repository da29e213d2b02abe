-- Sends each prepared request once. Threads share the file: thread n takes every n-th request.
local thread_number = 0

function setup(thread)
    thread:set("number", thread_number)
    thread_number = thread_number + 1
end

function init(args)
    local path, threads, host = args[1], tonumber(args[2]), args[3]
    requests, place, refused, dry = {}, 0, 0, 0
    local line = 0
    for signature in io.lines(path) do
        -- Alternating lines: signature, body.
        if line % 2 == 0 then
            pending = signature
        elseif math.floor(line / 2) % threads == number then
            requests[#requests + 1] = wrk.format("POST", "/webhook", {
                ["Stripe-Signature"] = pending, ["Content-Type"] = "application/json",
                ["Host"] = host
            }, signature)
        end
        line = line + 1
    end
end

function request()
    place = place + 1
    if place > #requests then
        dry = dry + 1
        place = 1
    end
    return requests[place]
end

function response(status, headers, body)
    if status ~= 200 or string.find(body, "internal_error", 1, true) then
        refused = refused + 1
    end
end

local all = {}
local first_setup = setup
function setup(thread)
    first_setup(thread)
    all[#all + 1] = thread
end

function done(summary, latency, requests)
    local refused, dry = 0, 0
    for _, thread in ipairs(all) do
        refused = refused + thread:get("refused")
        dry = dry + thread:get("dry")
    end
    print(string.format(
        "RESULT %d %f %f %f %d %d", summary.requests, summary.requests / (summary.duration / 1e6),
        latency:percentile(50) / 1000, latency:percentile(99) / 1000,
        refused + summary.errors.connect + summary.errors.read + summary.errors.timeout, dry
    ))
end
