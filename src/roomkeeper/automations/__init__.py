"""The language of automations: events, conditions, templates, steps, the configuration file.

Pure: no network, no clock, no engine. What a step does lives in `connectors`; when it is done, in `runs`.
"""
