"""Devices sold by instalments: agreement, schedule, parts on the account, credit bureaus. Contract: PSC-3.2.12"""
